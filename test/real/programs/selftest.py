"""What CPython's standard library asks of a kernel: files, processes, threads, sockets, signals, waiting."""
import errno
import fcntl
import mmap
import os
import pty
import queue
import select
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest


class Files(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()

    def tearDown(self):
        shutil.rmtree(self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def test_text_is_read_as_it_was_written(self):
        with open(self.path("text"), "w", encoding="utf-8") as file:
            file.writelines(f"line {i} ü\n" for i in range(1000))
        with open(self.path("text"), encoding="utf-8") as file:
            lines = file.read().split("\n")
        self.assertEqual(lines[999], "line 999 ü")
        self.assertEqual(os.stat(self.path("text")).st_size, sum(len(f"line {i} ü\n".encode()) for i in range(1000)))

    def test_holes_truncation_and_positions(self):
        with open(self.path("sparse"), "w+b") as file:
            file.seek(1_000_000)
            file.write(b"end")
            file.flush()
            self.assertEqual(os.pread(file.fileno(), 4, 500_000), b"\0" * 4)
            file.truncate(10)
            self.assertEqual(os.fstat(file.fileno()).st_size, 10)
            self.assertEqual(os.pwrite(file.fileno(), b"xyz", 8), 3)
            self.assertEqual(os.fstat(file.fileno()).st_size, 11)

    def test_trees_links_and_renames(self):
        for i in range(50):
            os.makedirs(self.path(f"a/{i}/b"))
        os.symlink("a/7", self.path("link"))
        self.assertEqual(os.listdir(self.path("link")), ["b"])
        os.rename(self.path("a/7/b"), self.path("moved"))
        self.assertEqual(os.listdir(self.path("link")), [])
        with self.assertRaises(FileNotFoundError):
            os.stat(self.path("a/7/b"))
        with self.assertRaises(OSError) as caught:
            os.rmdir(self.path("a"))
        self.assertEqual(caught.exception.errno, errno.ENOTEMPTY)
        self.assertEqual(sum(len(folders) for _, folders, _ in os.walk(self.path("a"))), 99)

    def test_a_mapping_is_the_file(self):
        with open(self.path("mapped"), "w+b") as file:
            file.write(b"." * 10_000)
            file.flush()
            with mmap.mmap(file.fileno(), 0) as mapping:
                mapping[5000:5005] = b"hello"
                self.assertEqual(os.pread(file.fileno(), 7, 4999), b".hello.")

    def test_locks_are_kept_from_other_processes(self):
        with open(self.path("lock"), "w") as file:
            fcntl.lockf(file, fcntl.LOCK_EX)
            child = os.fork()
            if child == 0:
                try:
                    with open(self.path("lock"), "w") as other:
                        fcntl.lockf(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    os._exit(7)
                os._exit(0)
            self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 7)


class Processes(unittest.TestCase):
    def test_what_a_child_prints_and_how_it_ends(self):
        done = subprocess.run(["sh", "-c", "cat; echo error >&2; exit 3"], input=b"given", capture_output=True)
        self.assertEqual((done.stdout, done.stderr, done.returncode), (b"given", b"error\n", 3))

    def test_a_pipeline_of_much(self):
        source = subprocess.Popen([sys.executable, "-S", "-c", "print('x' * 300_000)"], stdout=subprocess.PIPE)
        sink = subprocess.run(["wc", "-c"], stdin=source.stdout, capture_output=True)
        source.stdout.close()
        self.assertEqual((sink.stdout.strip(), source.wait()), (b"300001", 0))

    def test_a_time_limit_kills(self):
        with self.assertRaises(subprocess.TimeoutExpired):
            subprocess.run(["sleep", "100"], timeout=0.5)

    def test_signals_end_a_child(self):
        child = subprocess.Popen(["sleep", "100"])
        child.terminate()
        self.assertEqual(child.wait(), -signal.SIGTERM)

    def test_what_cannot_be_started_says_so(self):
        with self.assertRaises(FileNotFoundError):
            subprocess.run(["/no/such/program"])

    def test_a_terminal_of_its_own(self):
        child, master = pty.fork()
        if child == 0:
            os.write(1, b"tty" if os.isatty(0) and os.tcgetpgrp(0) == os.getpid() else b"none")
            os._exit(0)
        self.assertEqual(os.read(master, 100), b"tty")
        os.waitpid(child, 0)
        os.close(master)


class Threads(unittest.TestCase):
    def test_a_counter_under_a_lock(self):
        lock, count = threading.Lock(), [0]

        def work():
            for _ in range(500):
                with lock:
                    count[0] += 1

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(count, [4000])

    def test_a_queue_between_producers_and_consumers(self):
        things, sums = queue.Queue(maxsize=4), queue.Queue()

        def consume():
            total = 0
            while (thing := things.get()) is not None:
                total += thing
            sums.put(total)

        consumers = [threading.Thread(target=consume) for _ in range(3)]
        for thread in consumers:
            thread.start()
        for thing in list(range(300)) + [None] * 3:
            things.put(thing)
        for thread in consumers:
            thread.join()
        self.assertEqual(sum(sums.get() for _ in range(3)), sum(range(300)))

    def test_waiting_gives_up(self):
        begin = time.monotonic()
        self.assertFalse(threading.Event().wait(0.25))
        self.assertGreaterEqual(time.monotonic() - begin, 0.25)


class Sockets(unittest.TestCase):
    def test_a_pair_carries_much_both_ways(self):
        one, other = socket.socketpair()
        with one, other:
            def echo():
                while data := other.recv(4096):
                    other.sendall(data.upper())
                other.shutdown(socket.SHUT_WR)

            def send():
                one.sendall(b"abc" * 20_000)
                one.shutdown(socket.SHUT_WR)

            threads = [threading.Thread(target=echo), threading.Thread(target=send)]
            for thread in threads:
                thread.start()
            got = b"".join(iter(lambda: one.recv(8192), b""))
            for thread in threads:
                thread.join()
            self.assertEqual(got, b"ABC" * 20_000)

    def test_a_server_with_a_selector(self):
        with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as server:
            server.bind(folder + "/socket")
            server.listen(8)

            def serve():
                chosen, ended = selectors.DefaultSelector(), 0
                chosen.register(server, selectors.EVENT_READ)
                while ended < 3:
                    for key, _ in chosen.select():
                        if key.fileobj is server:
                            chosen.register(server.accept()[0], selectors.EVENT_READ)
                        elif data := key.fileobj.recv(100):
                            key.fileobj.sendall(data[::-1])
                        else:
                            chosen.unregister(key.fileobj)
                            key.fileobj.close()
                            ended += 1
                chosen.close()

            thread = threading.Thread(target=serve)
            thread.start()
            for text in (b"one", b"two", b"three"):
                with socket.socket(socket.AF_UNIX) as client:
                    client.connect(folder + "/socket")
                    client.sendall(text)
                    self.assertEqual(client.recv(100), text[::-1])
            thread.join()


class Signals(unittest.TestCase):
    def test_an_alarm_comes_while_it_waits(self):
        came = []
        before = signal.signal(signal.SIGALRM, lambda number, _: came.append(number))
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        time.sleep(0.5)
        signal.signal(signal.SIGALRM, before)
        self.assertEqual(came, [signal.SIGALRM])

    def test_a_handler_that_raises_breaks_a_read(self):
        def handle(_number, _frame):
            raise InterruptedError

        before = signal.signal(signal.SIGALRM, handle)
        readable, writable = os.pipe()
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with self.assertRaises(InterruptedError):
            os.read(readable, 1)
        signal.signal(signal.SIGALRM, before)
        os.close(readable)
        os.close(writable)

    def test_what_is_blocked_waits_to_be_fetched(self):
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
        os.kill(os.getpid(), signal.SIGUSR1)
        self.assertEqual(signal.sigpending(), {signal.SIGUSR1})
        self.assertEqual(signal.sigwaitinfo([signal.SIGUSR1]).si_pid, os.getpid())
        self.assertIsNone(signal.sigtimedwait([signal.SIGUSR1], 0.1))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])


class Waiting(unittest.TestCase):
    def check(self, ready):
        readable, writable = os.pipe()
        self.assertFalse(ready(readable))
        os.write(writable, b"x")
        self.assertTrue(ready(readable))
        os.close(readable)
        os.close(writable)

    def test_select(self):
        self.check(lambda fd: select.select([fd], [], [], 0)[0])

    def test_poll(self):
        def ready(fd):
            poll = select.poll()
            poll.register(fd, select.POLLIN)
            return poll.poll(10)

        self.check(ready)

    def test_epoll(self):
        def ready(fd):
            with select.epoll() as epoll:
                epoll.register(fd, select.EPOLLIN)
                return epoll.poll(0.01)

        self.check(ready)

    def test_eventfd_and_timerfd(self):
        counter = os.eventfd(3)
        self.assertEqual(os.eventfd_read(counter), 3)
        timer = os.timerfd_create(time.CLOCK_MONOTONIC)
        os.timerfd_settime(timer, initial=0.1)
        self.assertEqual(os.read(timer, 8), (1).to_bytes(8, "little"))
        os.close(counter)
        os.close(timer)


if __name__ == "__main__":
    unittest.main(verbosity=2)
