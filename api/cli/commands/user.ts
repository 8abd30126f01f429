/** `ostler user …` and `ostler key …`: who may do what. */
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Option } from "commander";
import {
  CreateKeyResponseSchema,
  CreateUserResponseSchema,
  DisableUserResponseSchema,
  EnableUserResponseSchema,
  GetSelfResponseSchema,
  type Key,
  ListKeysResponseSchema,
  ListUsersResponseSchema,
  RevokeKeyResponseSchema,
  type User,
  UserRole,
  UserService,
} from "../../../proto/gen/ostler/v1/users_pb.js";
import { type Column, list, table } from "../output.ts";
import { action, type Session } from "../session.ts";
import { dateOption, enumName, group, leaf, type PageOptions, pageOptions, pages } from "../shared.ts";
import { formatTime } from "../units.ts";

const ROLES = Object.values(UserRole).filter((value): value is UserRole => typeof value === "number" && value !== 0);

const userColumns: readonly Column<User>[] = [
  { title: "ID", value: (user) => user.userId },
  { title: "NAME", value: (user) => user.name || "-" },
  { title: "ADMIN", value: (user) => (user.admin ? "yes" : "no") },
  { title: "DISABLED", value: (user) => (user.disabled ? "yes" : "no") },
  { title: "MADE AT (UTC)", value: (user) => formatTime(user.createdAt) },
];

function userText(user: User): string {
  return list([
    ["user", user.userId],
    ["name", user.name],
    ["admin", user.admin ? "yes" : "no"],
    ["made at", `${formatTime(user.createdAt)} UTC`],
    ...(user.disabled ? [["disabled", "yes: the user's keys open nothing"] as [string, string]] : []),
  ]);
}

const createUser = leaf("create <user>", "make a user with a first key, shown only once (admins)", [
  "ostler user create alice --name 'Alice Example'",
  "ostler user create grader1 --role grader --quiet > grader1.key",
])
  .option("--name <text>", "name for people")
  .addOption(
    new Option("--role <role>", "what the user may do in the course that is given by --course (default: default)")
      .choices(ROLES.map((role) => enumName(UserRole, role)))
      .default("student"),
  )
  .option("-q, --quiet", "print the key only")
  .action(
    action<{ name?: string; role: string; quiet?: boolean }>(async (session, [userId], options) => {
      const role = ROLES.find((value) => enumName(UserRole, value) === options.role)!;
      const answer = await (await session.service(UserService)).createUser({
        userId: userId!,
        name: options.name ?? "",
        role,
      });
      if (options.quiet) session.out.line(answer.secret);
      else
        session.out.message(
          CreateUserResponseSchema,
          answer,
          () => `${userText(answer.user!)}\nkey      ${answer.secret}  (shown only now)`,
        );
    }),
  );

const listUsers = pageOptions(
  leaf("list", "list users (admins)", ["ostler user list --all", "ostler user list --disabled"]),
)
  .option("--disabled", "only those that are disabled")
  .action(
    action<PageOptions & { disabled?: boolean }>(async (session, _, options) => {
      const users = await session.service(UserService);
      const { items, nextPageToken } = await pages(session, options, async (page) => {
        const answer = await users.listUsers({ ...page, disabledOnly: options.disabled ?? false });
        return { items: answer.users, nextPageToken: answer.nextPageToken };
      });
      const answer = create(ListUsersResponseSchema, { users: items, nextPageToken });
      session.out.message(ListUsersResponseSchema, answer, () => table(userColumns, items));
    }),
  );

const disableUser = leaf("disable <user>", "keep a user out: keys, streams and machines stop at once (admins)", [
  "ostler user disable mallory",
]).action(
  action(async (session, [userId]) => {
    const answer = await (await session.service(UserService)).disableUser({ userId: userId! });
    session.out.message(
      DisableUserResponseSchema,
      answer,
      () => `${userId} is disabled; machines paused: ${answer.pausedMachines}`,
    );
  }),
);

const enableUser = leaf("enable <user>", "let a user in again with the keys that there were (admins)", [
  "ostler user enable mallory",
]).action(
  action(async (session, [userId]) => {
    const answer = await (await session.service(UserService)).enableUser({ userId: userId! });
    session.out.message(EnableUserResponseSchema, answer, () => `${userId} is enabled`);
  }),
);

const self = leaf("self", "show who you are to the server", ["ostler user self"]).action(
  action(async (session) => {
    const answer = await (await session.service(UserService)).getSelf({});
    const roles = answer.memberships
      .map(({ courseId, role }) => `\n${enumName(UserRole, role)} in ${courseId}`)
      .join("");
    const from = session.access.keySource === "" ? "" : `\nkey      from ${session.access.keySource}`;
    session.out.message(GetSelfResponseSchema, answer, () => userText(answer.user!) + roles + from);
  }),
);

export const userCommand = group("user", "users", [self, createUser, listUsers, disableUser, enableUser]);

const keyColumns: readonly Column<Key>[] = [
  { title: "ID", value: (key) => key.keyId },
  { title: "LABEL", value: (key) => key.label || "-" },
  { title: "MADE AT (UTC)", value: (key) => formatTime(key.createdAt) },
  { title: "EXPIRES", value: (key) => (key.expiresAt === undefined ? "never" : formatTime(key.expiresAt)) },
  { title: "REVOKED", value: (key) => (key.revokedAt === undefined ? "no" : formatTime(key.revokedAt)) },
  { title: "GOOD FOR", value: scopeText },
];

function scopeText({ courseId, roleAtMost, operations, readOnly }: Key): string {
  const parts = [
    courseId === "" ? "" : `course ${courseId}`,
    roleAtMost === UserRole.UNSPECIFIED ? "" : `as ${enumName(UserRole, roleAtMost)}`,
    operations.join(" "),
    readOnly ? "reading" : "",
  ];
  return parts.filter((part) => part !== "").join(", ") || "everything";
}

async function userOf(session: Session, given: string | undefined): Promise<string> {
  if (given !== undefined) return given;
  const { user } = await (await session.service(UserService)).getSelf({});
  return user!.userId;
}

const USER_OPTION = ["--user <user>", "whose (default: your own; others: admins, or staff for --course)"] as const;

interface KeyOptions {
  user?: string;
  label?: string;
  expires?: Date;
  role?: string;
  operation: string[];
  readOnly?: boolean;
  quiet?: boolean;
}

const createKey = leaf("create", "make another key, shown only once", [
  "ostler key create --label laptop",
  "ostler key create --user alice --course os-2027 --expires 2027-01-01",
  "ostler key create --label dashboard --read-only --operation 'MachineService/*'",
])
  .option(...USER_OPTION)
  .option("--label <text>", "what it is for")
  .addOption(dateOption("--expires <date>", "until when it is valid"))
  .addOption(new Option("--role <role>", "give no more than this role").choices(["student", "grader", "staff"]))
  .addOption(
    new Option("--operation <service/method>", "good for this alone, for example MachineService/* (repeatable)")
      .argParser((value: string, before: string[]) => [...before, value])
      .default([], "everything"),
  )
  .option("--read-only", "it changes nothing")
  .option("-q, --quiet", "print the key only")
  .action(
    action<KeyOptions>(async (session, _, options) => {
      const answer = await (await session.service(UserService)).createKey({
        userId: await userOf(session, options.user),
        label: options.label ?? "",
        roleAtMost: ROLES.find((value) => enumName(UserRole, value) === options.role) ?? UserRole.UNSPECIFIED,
        operations: options.operation,
        readOnly: options.readOnly ?? false,
        ...(options.expires !== undefined && { expiresAt: timestampFromDate(options.expires) }),
      });
      if (options.quiet) session.out.line(answer.secret);
      else
        session.out.message(
          CreateKeyResponseSchema,
          answer,
          () => `${answer.key!.keyId}  ${answer.secret}  (shown only now)`,
        );
    }),
  );

const listKeys = leaf("list", "list keys", ["ostler key list", "ostler key list --user alice"])
  .option(...USER_OPTION)
  .action(
    action<{ user?: string }>(async (session, _, options) => {
      const answer = await (await session.service(UserService)).listKeys({
        userId: await userOf(session, options.user),
      });
      session.out.message(ListKeysResponseSchema, answer, () => table(keyColumns, answer.keys));
    }),
  );

const revokeKey = leaf("revoke <key>", "make a key useless from now on", ["ostler key revoke k-1234"])
  .option(...USER_OPTION)
  .action(
    action<{ user?: string }>(async (session, [keyId], options) => {
      await (await session.service(UserService)).revokeKey({
        userId: await userOf(session, options.user),
        keyId: keyId!,
      });
      session.out.message(RevokeKeyResponseSchema, create(RevokeKeyResponseSchema), () => `${keyId} revoked`);
    }),
  );

export const keyCommand = group("key", "API keys", [createKey, listKeys, revokeKey]);
