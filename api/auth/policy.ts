/**
 * Who may do what, in two tables.
 *
 * `PERMISSIONS`: what a role in a course allows, and whose things it reaches there. `RULES`: what each method of the API does, and to what
 * its request names. A method without a row is served to nobody: the server does not start (see authorise.ts).
 */
import type { CourseRole } from "../store/types.ts";

/** From the least to the most. Admins may do everything, everywhere. */
export const COURSE_ROLES = ["student", "grader", "staff"] as const satisfies readonly CourseRole[];

/** Whose, in the course: nobody's, one's own, or everybody's. */
export type Reach = "none" | "own" | "all";

interface Permission extends Readonly<Record<CourseRole, Reach>> {
  /** Whether it changes something. */
  readonly changes: boolean;
}

const read = (student: Reach, grader: Reach, staff: Reach): Permission => ({ student, grader, staff, changes: false });
const change = (student: Reach, grader: Reach, staff: Reach): Permission => ({ student, grader, staff, changes: true });

export const PERMISSIONS = {
  "machine.create": change("own", "own", "own"),
  "machine.read": read("own", "all", "all"),
  "machine.change": change("own", "own", "all"),
  /** A machine of the caller's own that stands where that one stood. */
  "machine.view": change("own", "all", "all"),
  "snapshot.create": change("own", "all", "all"),
  "snapshot.read": read("own", "all", "all"),
  /** The copy is the caller's, in the same course. */
  "snapshot.fork": change("own", "all", "all"),
  "snapshot.delete": change("own", "own", "all"),
  "program.read": read("own", "own", "own"),
  "program.change": change("own", "own", "own"),
  "assignment.read": read("all", "all", "all"),
  /** Hidden tests, what they check and what became of them. */
  "assignment.readHidden": read("none", "all", "all"),
  "assignment.change": change("none", "none", "all"),
  /** To the assignment that is named. */
  "submission.create": change("all", "all", "all"),
  "submission.read": read("own", "all", "all"),
  "submission.change": change("own", "all", "all"),
  "course.read": read("all", "all", "all"),
  "course.change": change("none", "none", "all"),
  "member.read": read("none", "all", "all"),
  "member.change": change("none", "none", "all"),
  "audit.read": read("none", "none", "all"),
  "quota.read": read("own", "all", "all"),
  "quota.change": change("none", "none", "all"),
  /** Keys of others, good for the course alone. */
  "key.read": read("own", "own", "all"),
  "key.change": change("own", "own", "all"),
} as const satisfies Record<string, Permission>;

export type Action = keyof typeof PERMISSIONS;

/** The kinds of things that a request names by id, and what one must be allowed to do to know that they exist. */
export const SEEN_BY = {
  machine: "machine.read",
  snapshot: "snapshot.read",
  assignment: "assignment.read",
  submission: "submission.read",
  course: "course.read",
} as const satisfies Record<string, Action>;

export type Kind = keyof typeof SEEN_BY;

export type Rule =
  /** Needs a key and nothing more: it is about the caller, or about what the server can do. */
  | { readonly of: "caller"; readonly changes: boolean }
  /** Admins alone. */
  | { readonly of: "server"; readonly changes: boolean }
  /** A member of the course that is named (or of the caller's only one): the one that is named, or the caller. */
  | { readonly of: "member"; readonly action: Action }
  /** Keys of the user that the request names. */
  | { readonly of: "user"; readonly action: "key.read" | "key.change" }
  /** Something of the caller's own in one course: the one that is named, or the only one that the caller is in. */
  | { readonly of: "own"; readonly action: Action }
  /** What the caller may see, in the course that is named or in all. */
  | { readonly of: "list"; readonly action: Action }
  /**
   * The thing that the request names, which must be named unless it is a filter. Where another field than the kind's own
   * names it, `field` is the way to that.
   */
  | { readonly of: Kind; readonly action: Action; readonly filter?: true; readonly field?: string };

/** Whether what it allows changes something. */
export const changes = (rule: Rule): boolean => ("action" in rule ? PERMISSIONS[rule.action].changes : rule.changes);

const on = (of: Kind, action: Action): readonly Rule[] => [{ of, action }];
const own = (action: Action): readonly Rule[] => [{ of: "own", action }];
const list = (action: Action): readonly Rule[] => [{ of: "list", action }];
const keys = (action: "key.read" | "key.change"): readonly Rule[] => [{ of: "user", action }];
const ofCaller: readonly Rule[] = [{ of: "caller", changes: false }];
const readsServer: readonly Rule[] = [{ of: "server", changes: false }];
const changesServer: readonly Rule[] = [{ of: "server", changes: true }];
const readsMachine = on("machine", "machine.read");
const changesMachine = on("machine", "machine.change");

/** By service and method. */
export const RULES: Readonly<Record<string, Readonly<Record<string, readonly Rule[]>>>> = {
  MachineService: {
    CreateMachine: own("machine.create"),
    GetMachine: readsMachine,
    ListMachines: list("machine.read"),
    DeleteMachine: changesMachine,
    RunMachine: changesMachine,
    PauseMachine: changesMachine,
    StepMachine: changesMachine,
    WaitMachine: readsMachine,
    StartProgram: changesMachine,
    HibernateMachine: changesMachine,
    ThawMachine: changesMachine,
  },
  TaskService: {
    ListTasks: readsMachine,
    GetTask: readsMachine,
    KillTask: changesMachine,
    CreateRemoteTask: changesMachine,
    Call: changesMachine,
    ListSystemCalls: ofCaller,
  },
  ConsoleService: {
    WriteConsole: changesMachine,
    ReadConsole: readsMachine,
    FollowConsole: readsMachine,
    AttachConsole: changesMachine,
  },
  TerminalService: {
    ListTerminals: readsMachine,
    WriteTerminal: changesMachine,
    ReadTerminal: readsMachine,
    FollowTerminal: readsMachine,
    ResizeTerminal: changesMachine,
    CloseTerminal: changesMachine,
  },
  NetworkService: {
    SendFrame: changesMachine,
    FollowFrames: readsMachine,
    AttachNetwork: changesMachine,
  },
  MemoryService: {
    ReadPhysicalMemory: readsMachine,
    WritePhysicalMemory: changesMachine,
    ReadVirtualMemory: readsMachine,
    WriteVirtualMemory: changesMachine,
    GetMemoryMap: readsMachine,
    RenderMemoryMap: readsMachine,
    GetTiming: readsMachine,
    ListFrames: readsMachine,
    GetAddressSpace: readsMachine,
    RenderAddressSpace: readsMachine,
  },
  CapabilityService: {
    GetCapabilityGraph: readsMachine,
    RenderCapabilityGraph: readsMachine,
    Invoke: changesMachine,
    RetypeUntyped: changesMachine,
    CopyCapability: changesMachine,
    DeleteCapability: changesMachine,
    RevokeCapability: changesMachine,
    MoveCapability: changesMachine,
    ConfigureThread: changesMachine,
    MapFrame: changesMachine,
    MapPageTable: changesMachine,
    RevokeSlot: changesMachine,
  },
  SnapshotService: {
    CreateSnapshot: on("machine", "snapshot.create"),
    GetSnapshot: on("snapshot", "snapshot.read"),
    ListSnapshots: [
      { of: "list", action: "snapshot.read" },
      { of: "machine", action: "machine.read", filter: true },
    ],
    DeleteSnapshot: on("snapshot", "snapshot.delete"),
    RestoreMachine: [...changesMachine, ...on("snapshot", "snapshot.read")],
    ForkMachine: on("snapshot", "snapshot.fork"),
    ExportSnapshot: on("snapshot", "snapshot.read"),
    ImportSnapshot: changesServer,
  },
  TraceService: {
    GetTraceCatalogue: ofCaller,
    FollowTrace: readsMachine,
    QueryTrace: readsMachine,
    ExportTrace: readsMachine,
  },
  HistoryService: {
    SeekMachine: [
      ...on("machine", "machine.view"),
      { of: "machine", action: "machine.change", field: "viewId", filter: true },
    ],
    CompareMachines: [
      { of: "machine", action: "machine.read", field: "left.machineId" },
      { of: "machine", action: "machine.read", field: "right.machineId" },
    ],
  },
  ProgramService: {
    UploadProgram: own("program.change"),
    UploadContent: own("program.change"),
    GetProgram: own("program.read"),
    ListPrograms: list("program.read"),
    DeleteProgram: own("program.change"),
  },
  GradingService: {
    CreateAssignment: own("assignment.change"),
    UpdateAssignment: on("assignment", "assignment.change"),
    GetAssignment: on("assignment", "assignment.read"),
    ListAssignments: list("assignment.read"),
    DeleteAssignment: on("assignment", "assignment.change"),
    CreateSubmission: on("assignment", "submission.create"),
    GetSubmission: on("submission", "submission.read"),
    ListSubmissions: list("submission.read"),
    WaitSubmission: on("submission", "submission.read"),
    CancelSubmission: on("submission", "submission.change"),
    ExportReport: on("submission", "submission.read"),
  },
  UserService: {
    GetSelf: ofCaller,
    CreateUser: changesServer,
    ListUsers: readsServer,
    DisableUser: changesServer,
    EnableUser: changesServer,
    CreateKey: keys("key.change"),
    ListKeys: keys("key.read"),
    RevokeKey: keys("key.change"),
  },
  CourseService: {
    CreateCourse: changesServer,
    GetCourse: on("course", "course.read"),
    ListCourses: list("course.read"),
    UpdateCourse: on("course", "course.change"),
    ArchiveCourse: changesServer,
    RestoreCourse: changesServer,
    EnrolMembers: on("course", "member.change"),
    ListMembers: on("course", "member.read"),
    RemoveMembers: on("course", "member.change"),
  },
  QuotaService: {
    GetQuota: [{ of: "member", action: "quota.read" }],
    SetQuota: [{ of: "member", action: "quota.change" }],
  },
  AuditService: {
    ListAuditEvents: list("audit.read"),
  },
  AdminService: {
    CollectContent: changesServer,
    CheckStore: readsServer,
    BackUpStore: readsServer,
  },
};
