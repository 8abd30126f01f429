/** ProgramService: content by hash. A program is a name that its owner gave to a blob. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ProgramSchema, ProgramService } from "../../proto/gen/ostler/v1/programs_pb.js";
import { scopeOf } from "../auth/caller.ts";
import { callerOf } from "../auth/identity.ts";
import { invalid, notFound } from "../errors.ts";
import type { ServiceImplementation } from "../operation.ts";
import type { Bytes, ProgramRow } from "../store/types.ts";
import { type Deps, ownerIn, pageQuery, sha256Hex, toTimestamp } from "./common.ts";

const toProgram = (row: ProgramRow): MessageInitShape<typeof ProgramSchema> => ({
  programHash: row.hash,
  courseId: row.courseId,
  name: row.name,
  size: BigInt(row.size),
  createdAt: toTimestamp(row.createdAt),
});

export function programService(deps: Deps): ServiceImplementation<typeof ProgramService> {
  return {
    async uploadProgram({ name, data, expectedHash, courseId }, context) {
      const owner = ownerIn(context, courseId);
      const hash = sha256Hex(data);
      if (expectedHash !== "" && expectedHash !== hash)
        throw invalid("expected_hash", `the content that arrived has the hash ${hash}`);
      await deps.quotas.assertRoom(owner, data.length);
      const row = await deps.store.holds.during(async (hold) => {
        await deps.store.blobs.put([{ hash, data: data as Bytes }], hold);
        return deps.store.programs.put({ ...owner, hash, name, size: data.length });
      });
      return { program: toProgram(row) };
    },

    async getProgram({ programHash, courseId }, context) {
      const row = await deps.store.programs.get(ownerIn(context, courseId), programHash);
      if (row === null) throw notFound("program", programHash);
      return { program: toProgram(row) };
    },

    async listPrograms(request, context) {
      const { items, nextPageToken } = await deps.store.programs.list({
        ...pageQuery(request),
        ...scopeOf(callerOf(context), "program.read", { courseId: request.courseId }),
      });
      return { programs: items.map(toProgram), nextPageToken };
    },

    async deleteProgram({ programHash, courseId }, context) {
      if (!(await deps.store.programs.delete(ownerIn(context, courseId), programHash)))
        throw notFound("program", programHash);
      return {};
    },
  };
}
