/** What the patterns of the contract mean, for people. A test sees that every pattern has its sentence. */
const HASH = "must be a SHA-256 in lower-case hexadecimal (64 digits), as UploadProgram returned it";

const sentences: Readonly<Record<string, string>> = {
  "^[0-9a-f]{64}$": HASH,
  "^([0-9a-f]{64})?$": HASH,
  "^[A-Za-z0-9._-]*$": "may have letters, digits, and . _ - only",
  "^(-O[0-3sg]?|-W[A-Za-z0-9=-]*|-std=[a-z0-9]+|-f[a-z0-9=-]+|-g|-D[A-Za-z_][A-Za-z0-9_]*(=[A-Za-z0-9_]*)?|-m[a-z0-9=-]+|-pthread|-lm)$":
    "must be an option that begins with -O, -W, -std=, -f, -g, -D or -m, or -pthread or -lm; for example -std=c17",
  "^[A-Za-z0-9]?[A-Za-z0-9.-]*$": "must begin with a letter or digit and may have letters, digits, and . - only",
  "^[^=\\x00]+=[^\\x00]*$": "must be NAME=value, for example HOME=/",
  "^(/[^/\\x00]+)+$": "must be an absolute path of a file, for example /data/words.txt",
  "^[^=]+=.*$": "must be name=value, for example course=os1",
  "^[^/\\x00]*$": "must be a file's name, without / and NUL",
  "^[rwx-]{0,3}$": "may have the letters r (read), w (write) and x (execute), and - for none",
  "^[^\\x00]*$": "must not contain NUL characters",
  "^[rwgp-]{0,4}$": "may have the letters r (read), w (write), g (grant) and p (grant reply), and - for none",
  "^[A-Za-z0-9._@-]{1,64}$": "must have 1 to 64 letters, digits, or . _ - @",
  "^[a-z0-9][a-z0-9-]{0,62}$":
    "must have 1 to 63 lower-case letters, digits or -, and not begin with -, for example os-2027",
  "^[A-Za-z]+Service/([A-Za-z]+|[*])$":
    "must be a service and a method or *, for example MachineService/GetMachine or TraceService/*",
};

export const patternSentence = (pattern: string): string | undefined => sentences[pattern];
