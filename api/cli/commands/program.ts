/** `ostler program …`: programs and files, kept once by content. */
import { create } from "@bufbuild/protobuf";
import {
  DeleteProgramResponseSchema,
  ListProgramsResponseSchema,
  type Program,
  ProgramService,
  UploadProgramResponseSchema,
} from "../../../proto/gen/ostler/v1/programs_pb.js";
import { type Column, table } from "../output.ts";
import { action } from "../session.ts";
import { group, leaf, type PageOptions, pageOptions, pages } from "../shared.ts";
import { formatSize, formatTime } from "../units.ts";
import { upload } from "../uploads.ts";

const columns: readonly Column<Program>[] = [
  { title: "NAME", value: (program) => program.name || "-" },
  { title: "SIZE", value: (program) => formatSize(program.size), align: "right" },
  { title: "SENT AT (UTC)", value: (program) => formatTime(program.createdAt) },
  { title: "SHA-256", value: (program) => program.programHash },
];

const uploadCommand = leaf("upload <file>", "send a program or a data file; the same content is kept once", [
  "ostler program upload prog.elf",
  "H=$(ostler program upload words.txt --quiet)",
])
  .option("--name <name>", "name to keep it under (default: the file's)")
  .option("-q, --quiet", "print the hash only")
  .action(
    action<{ name?: string; quiet?: boolean }>(async (session, [file], options) => {
      const { hash, name, size, sent } = await upload(session, file!, options.name);
      if (options.quiet) return session.out.line(hash);
      const program = { programHash: hash, name, size: BigInt(size) };
      const answer = create(UploadProgramResponseSchema, { program });
      session.out.message(
        UploadProgramResponseSchema,
        answer,
        () => `${hash}  ${name}  ${formatSize(size)}${sent ? "" : "  (was there already)"}`,
      );
    }),
  );

const listCommand = pageOptions(leaf("list", "list your programs and files", ["ostler program list --all"])).action(
  action<PageOptions>(async (session, _, options) => {
    const programs = await session.service(ProgramService);
    const { items, nextPageToken } = await pages(session, options, async (page) => {
      const answer = await programs.listPrograms(page);
      return { items: answer.programs, nextPageToken: answer.nextPageToken };
    });
    const answer = create(ListProgramsResponseSchema, { programs: items, nextPageToken });
    session.out.message(ListProgramsResponseSchema, answer, () =>
      items.length === 0 ? "no programs" : table(columns, items),
    );
  }),
);

const deleteCommand = leaf("delete <hash...>", "forget programs; machines that use them keep them").action(
  action(async (session, hashes) => {
    const programs = await session.service(ProgramService);
    for (const programHash of hashes) {
      const answer = await programs.deleteProgram({ programHash });
      session.out.message(DeleteProgramResponseSchema, answer, () => `${programHash} forgotten`);
    }
  }),
);

export const programCommand = group("program", "programs and files, kept once by content", [
  uploadCommand,
  listCommand,
  deleteCommand,
]);
