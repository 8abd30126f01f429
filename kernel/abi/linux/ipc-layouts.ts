/** C structures of System V's objects (asm-generic/{ipc,msg,sem,shm}buf.h), and those of the calls' own that tell of limits. */
import type { IpcObject } from "../../ipc/sysv/state.ts";
import type { Task } from "../../thread/state.ts";
import { shownGroup, shownUser } from "../../thread/users.ts";
import type { LinuxKernel } from "./kernel.ts";
import { layout } from "./layouts.ts";

/** struct ipc64_perm, at the beginning of all that describe an object. */
const owner = {
  key: [0, "i32"],
  uid: [4, "u32"],
  gid: [8, "u32"],
  cuid: [12, "u32"],
  cgid: [16, "u32"],
  mode: [20, "u32"],
  seq: [24, "u16"],
} as const;

export const ownerOf = (k: LinuxKernel, reader: Task, object: IpcObject) => ({
  key: object.key,
  uid: shownUser(k, reader, object.uid),
  gid: shownGroup(k, reader, object.gid),
  cuid: shownUser(k, reader, object.creatorUid),
  cgid: shownGroup(k, reader, object.creatorGid),
  mode: object.mode,
  seq: (object.id >> 15) & 0xffff,
});

export const shmidDs = layout("shmid_ds", 112, {
  ...owner,
  segsz: [48, "u64"],
  atime: [56, "i64"],
  dtime: [64, "i64"],
  ctime: [72, "i64"],
  cpid: [80, "i32"],
  lpid: [84, "i32"],
  nattch: [88, "u64"],
});

export const shminfo = layout("shminfo", 72, {
  shmmax: [0, "u64"],
  shmmin: [8, "u64"],
  shmmni: [16, "u64"],
  shmseg: [24, "u64"],
  shmall: [32, "u64"],
});

export const shmInfo = layout("shm_info", 48, { used_ids: [0, "i32"], shm_tot: [8, "u64"], shm_rss: [16, "u64"] });

export const semidDs = layout("semid_ds", 88, {
  ...owner,
  otime: [48, "i64"],
  ctime: [56, "i64"],
  nsems: [64, "u64"],
});

export const seminfo = layout("seminfo", 40, {
  semmap: [0, "i32"],
  semmni: [4, "i32"],
  semmns: [8, "i32"],
  semmnu: [12, "i32"],
  semmsl: [16, "i32"],
  semopm: [20, "i32"],
  semume: [24, "i32"],
  semusz: [28, "i32"],
  semvmx: [32, "i32"],
  semaem: [36, "i32"],
});

export const msqidDs = layout("msqid_ds", 120, {
  ...owner,
  stime: [48, "i64"],
  rtime: [56, "i64"],
  ctime: [64, "i64"],
  cbytes: [72, "u64"],
  qnum: [80, "u64"],
  qbytes: [88, "u64"],
  lspid: [96, "i32"],
  lrpid: [100, "i32"],
});

export const msginfo = layout("msginfo", 32, {
  msgpool: [0, "i32"],
  msgmap: [4, "i32"],
  msgmax: [8, "i32"],
  msgmnb: [12, "i32"],
  msgmni: [16, "i32"],
  msgssz: [20, "i32"],
  msgtql: [24, "i32"],
  msgseg: [28, "u16"],
});
