/** `ostler course …`: courses, and who is in them. */
import { readFileSync, writeFileSync } from "node:fs";
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Option } from "commander";
import {
  ArchiveCourseResponseSchema,
  type Course,
  CourseService,
  CreateCourseResponseSchema,
  type EnrolledMember,
  EnrolMembersResponseSchema,
  GetCourseResponseSchema,
  ListCoursesResponseSchema,
  ListMembersResponseSchema,
  type Member,
  RemoveMembersResponseSchema,
  RestoreCourseResponseSchema,
  UpdateCourseResponseSchema,
} from "../../../proto/gen/ostler/v1/courses_pb.js";
import { UserRole } from "../../../proto/gen/ostler/v1/users_pb.js";
import { UsageError, unreadable, unwritable } from "../failure.ts";
import { type Column, list, table } from "../output.ts";
import { csvField, type RosterEntry, readRoster } from "../roster.ts";
import { action, type Session } from "../session.ts";
import { dateOption, enumName, group, leaf, type PageOptions, pageOptions, pages } from "../shared.ts";
import { formatTime } from "../units.ts";

const ROLES = [UserRole.STUDENT, UserRole.GRADER, UserRole.STAFF] as const;
const ROLE_NAMES = ROLES.map((role) => enumName(UserRole, role));
/** In one request. */
const MOST_MEMBERS = 1_000;

const courseColumns: readonly Column<Course>[] = [
  { title: "ID", value: (course) => course.courseId },
  { title: "NAME", value: (course) => course.displayName || "-" },
  { title: "MADE AT (UTC)", value: (course) => formatTime(course.createdAt) },
  { title: "ARCHIVED", value: (course) => (course.archivedAt === undefined ? "no" : formatTime(course.archivedAt)) },
];

const courseText = (course: Course): string =>
  list([
    ["course", course.courseId],
    ["name", course.displayName],
    ["made at", `${formatTime(course.createdAt)} UTC`],
    ["archived", course.archivedAt === undefined ? "" : `${formatTime(course.archivedAt)} UTC`],
  ]);

const coursesOf = (session: Session) => session.service(CourseService);

const createCourse = leaf("create <course>", "make a course (admins)", [
  "ostler course create os-2027 --name 'Operating Systems'",
])
  .option("--name <text>", "name for people")
  .action(
    action<{ name?: string }>(async (session, [courseId], options) => {
      const answer = await (await coursesOf(session)).createCourse({
        courseId: courseId!,
        displayName: options.name ?? "",
      });
      session.out.message(CreateCourseResponseSchema, answer, () => courseText(answer.course!));
    }),
  );

const listCourses = pageOptions(leaf("list", "list your courses", ["ostler course list"])).action(
  action<PageOptions>(async (session, _, options) => {
    const courses = await coursesOf(session);
    const { items, nextPageToken } = await pages(session, options, async (page) => {
      const answer = await courses.listCourses(page);
      return { items: answer.courses, nextPageToken: answer.nextPageToken };
    });
    const answer = create(ListCoursesResponseSchema, { courses: items, nextPageToken });
    session.out.message(ListCoursesResponseSchema, answer, () => table(courseColumns, items));
  }),
);

const show = leaf("show <course>", "show a course and your role in it", ["ostler course show os-2027"]).action(
  action(async (session, [courseId]) => {
    const answer = await (await coursesOf(session)).getCourse({ courseId: courseId! });
    const role = `\nyou are  ${enumName(UserRole, answer.role)}`;
    session.out.message(GetCourseResponseSchema, answer, () => courseText(answer.course!) + role);
  }),
);

const rename = leaf("rename <course> <name>", "give a course another name for people (staff)", [
  "ostler course rename os-2027 'Operating Systems, spring'",
]).action(
  action(async (session, [courseId, displayName]) => {
    const answer = await (await coursesOf(session)).updateCourse({ courseId: courseId!, displayName: displayName! });
    session.out.message(UpdateCourseResponseSchema, answer, () => courseText(answer.course!));
  }),
);

const archive = leaf("archive <course>", "from now on it is only read (admins)", [
  "ostler course archive os-2026",
]).action(
  action(async (session, [courseId]) => {
    const answer = await (await coursesOf(session)).archiveCourse({ courseId: courseId! });
    session.out.message(ArchiveCourseResponseSchema, answer, () => courseText(answer.course!));
  }),
);

const restore = leaf("restore <course>", "take it out of the archive (admins)", [
  "ostler course restore os-2026",
]).action(
  action(async (session, [courseId]) => {
    const answer = await (await coursesOf(session)).restoreCourse({ courseId: courseId! });
    session.out.message(RestoreCourseResponseSchema, answer, () => courseText(answer.course!));
  }),
);

interface EnrolOptions {
  file?: string;
  role: string;
  keys?: string;
  expires?: Date;
}

const enrol = leaf("enrol <course> [user...]", "make users members, all of them or none (staff)", [
  "ostler course enrol os-2027 ada bob --role grader",
  "ostler course enrol os-2027 --file students.csv --keys keys.csv",
])
  .option("--file <csv>", "lines of user,name,role instead; name and role may be missing")
  .addOption(new Option("--role <role>", "of those whose line says none").choices(ROLE_NAMES).default("student"))
  .option("--keys <csv>", "write a key for each new member, good for this course alone, to this new file")
  .addOption(dateOption("--expires <date>", "until when the keys are valid"))
  .action(
    action<EnrolOptions>(async (session, [courseId, ...users], options) => {
      const roster = rosterOf(users, options);
      const members = roster.map(({ userId, name, role }) => ({
        userId,
        name,
        role: roleNamed(role || options.role, userId),
      }));
      if (options.keys !== undefined) reserve(options.keys);
      const answer = await (await coursesOf(session)).enrolMembers({
        courseId: courseId!,
        members,
        issueKeys: options.keys !== undefined,
        ...(options.expires !== undefined && { keysExpireAt: timestampFromDate(options.expires) }),
      });
      if (options.keys !== undefined) writeFileSync(options.keys, keysCsv(answer.members, roster));
      session.out.message(EnrolMembersResponseSchema, answer, () => enrolledText(answer.members, options.keys));
    }),
  );

function rosterOf(users: readonly string[], { file }: EnrolOptions): RosterEntry[] {
  if ((file === undefined) === (users.length === 0))
    throw new UsageError("nobody is named, or twice", "give users, or a list with --file");
  const roster =
    file === undefined ? users.map((userId) => ({ userId, name: "", role: "" })) : readRoster(textOf(file), file);
  if (roster.length === 0 || roster.length > MOST_MEMBERS)
    throw new UsageError(`${file}: ${roster.length} members`, `give from 1 to ${MOST_MEMBERS} at a time`);
  return roster;
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw unreadable(file, error);
  }
}

function roleNamed(name: string, userId: string): UserRole {
  const role = ROLES.find((each) => enumName(UserRole, each) === name);
  if (role === undefined)
    throw new UsageError(`${userId}: there is no role "${name}"`, `give one of ${ROLE_NAMES.join(", ")}`);
  return role;
}

/** Before anything is done: a key that cannot be written down would be lost. Others must not read it. */
function reserve(file: string): void {
  try {
    writeFileSync(file, "", { flag: "wx", mode: 0o600 });
  } catch (error) {
    throw unwritable(file, error as Error);
  }
}

function keysCsv(members: readonly EnrolledMember[], roster: readonly RosterEntry[]): string {
  const lines = members.flatMap(({ member, secret }, index) =>
    secret === "" ? [] : [[member!.userId, roster[index]!.name, secret].map(csvField).join(",")],
  );
  return ["user,name,key", ...lines, ""].join("\n");
}

function enrolledText(members: readonly EnrolledMember[], keys: string | undefined): string {
  const fresh = members.filter(({ enrolled }) => enrolled).length;
  const known = members.length - fresh;
  const written = keys === undefined ? "" : `; their keys are in ${keys}, and nowhere else`;
  return `${fresh} enrolled${written}${known === 0 ? "" : `\n${known} were members already`}`;
}

const memberColumns: readonly Column<Member>[] = [
  { title: "USER", value: (member) => member.userId },
  { title: "NAME", value: (member) => member.name || "-" },
  { title: "ROLE", value: (member) => enumName(UserRole, member.role) },
  { title: "SINCE (UTC)", value: (member) => formatTime(member.createdAt) },
];

const members = pageOptions(
  leaf("members <course>", "list who is in a course (graders and staff)", ["ostler course members os-2027 --all"]),
).action(
  action<PageOptions>(async (session, [courseId], options) => {
    const courses = await coursesOf(session);
    const { items, nextPageToken } = await pages(session, options, async (page) => {
      const answer = await courses.listMembers({ ...page, courseId: courseId! });
      return { items: answer.members, nextPageToken: answer.nextPageToken };
    });
    const answer = create(ListMembersResponseSchema, { members: items, nextPageToken });
    session.out.message(ListMembersResponseSchema, answer, () => table(memberColumns, items));
  }),
);

const remove = leaf("remove <course> <user...>", "end memberships; what they made stays (staff)", [
  "ostler course remove os-2027 bob",
]).action(
  action(async (session, [courseId, ...userIds]) => {
    const answer = await (await coursesOf(session)).removeMembers({ courseId: courseId!, userIds });
    session.out.message(RemoveMembersResponseSchema, answer, () => `${answer.userIds.join(", ") || "nobody"} removed`);
  }),
);

export const courseCommand = group("course", "courses and who is in them", [
  createCourse,
  listCourses,
  show,
  rename,
  archive,
  restore,
  enrol,
  members,
  remove,
]);
