/** ProgramService: content by hash. A program is a name that its owner gave to a blob. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ProgramSchema, ProgramService, UploadContentRequest } from "../../proto/gen/ostler/v1/programs_pb.js";
import { type Arrival, countedTo } from "../admission/arrivals.ts";
import { scopeOf } from "../auth/caller.ts";
import { callerOf } from "../auth/identity.ts";
import { invalid, notFound } from "../errors.ts";
import type { Context, ServiceImplementation } from "../operation.ts";
import { PieceWriter } from "../store/pieces.ts";
import type { Bytes, Hash, Hold, Owner, ProgramRow } from "../store/types.ts";
import { type Deps, ownerIn, pageQuery, sha256Hex, toTimestamp } from "./common.ts";

const toProgram = (row: ProgramRow): MessageInitShape<typeof ProgramSchema> => ({
  programHash: row.hash,
  courseId: row.courseId,
  name: row.name,
  size: BigInt(row.size),
  createdAt: toTimestamp(row.createdAt),
});

/** Bytes after which a user's quota is asked about again. */
const QUOTA_STEP_BYTES = 16 * 1024 * 1024;

/** What has come of an upload; it is not stored under its hash yet. */
interface Received {
  owner: Owner;
  name: string;
  size: number;
  expectedHash: Hash;
  writer: PieceWriter;
}

/** Stores what comes as it comes. Of an upload that is refused or breaks off, nothing leads to what was stored. */
async function receive(
  deps: Deps,
  requests: AsyncIterable<UploadContentRequest>,
  context: Context,
  hold: Hold,
  arrival: Arrival,
): Promise<Received> {
  const writer = new PieceWriter(countedTo(arrival, deps.store.blobs), hold);
  let first: UploadContentRequest | null = null;
  let owner: Owner | null = null;
  let size = 0;
  let checkedBytes = 0;
  for await (const request of requests) {
    if (first === null || owner === null) {
      first = request;
      owner = ownerIn(context, first.courseId);
      arrival.owner = owner;
      checkedBytes = await assertMayStore(deps, arrival, Number(first.size), "size");
    } else assertOnlyData(request);
    size += request.data.length;
    if (size > deps.uploadBytes || size > checkedBytes)
      checkedBytes = (await assertMayStore(deps, arrival, size, "data")) + QUOTA_STEP_BYTES;
    await writer.write(request.data);
  }
  // What the client gave up looks like its end.
  context.signal.throwIfAborted();
  const { name = "", expectedHash = "", size: announced = 0n } = first ?? {};
  if (size === 0 || owner === null) throw invalid("data", "must not be empty");
  if (announced !== 0n && announced !== BigInt(size)) throw invalid("size", `is ${announced}, and ${size} bytes came`);
  return { owner, name, size, expectedHash, writer };
}

/** What is said once, at the beginning, would be overlooked here. */
function assertOnlyData({ name, expectedHash, courseId, size }: UploadContentRequest): void {
  const given = { name, expected_hash: expectedHash, course_id: courseId, size: size === 0n ? "" : `${size}` };
  for (const [field, value] of Object.entries(given))
    if (value !== "") throw invalid(field, "belongs into the first message");
}

/** Throws what says why not; otherwise so many bytes may be stored. */
async function assertMayStore(deps: Deps, arrival: Arrival, bytes: number, field: string): Promise<number> {
  if (bytes > deps.uploadBytes)
    throw invalid(field, `is more than ${deps.uploadBytes} bytes, which is what this server takes at most`);
  if (arrival.owner !== null) await deps.quotas.assertRoom(arrival.owner, bytes, arrival);
  return bytes;
}

function assertExpected(hash: Hash, expected: Hash): void {
  if (expected !== "" && expected !== hash)
    throw invalid("expected_hash", `the content that arrived has the hash ${hash}`);
}

export function programService(deps: Deps): ServiceImplementation<typeof ProgramService> {
  return {
    async uploadProgram({ name, data, expectedHash, courseId }, context) {
      const owner = ownerIn(context, courseId);
      const hash = sha256Hex(data);
      assertExpected(hash, expectedHash);
      const row = await deps.store.holds.during((hold) =>
        deps.quotas.storing(owner, data.length, async () => {
          await deps.store.blobs.put([{ hash, data: data as Bytes }], hold);
          return deps.store.programs.put({ ...owner, hash, name, size: data.length });
        }),
      );
      return { program: toProgram(row) };
    },

    async uploadContent(requests, context) {
      const receiveAndName = async (hold: Hold, arrival: Arrival) => {
        const { owner, name, size, expectedHash, writer } = await receive(deps, requests, context, hold, arrival);
        const store = async () => {
          const { hash } = await writer.end(expectedHash);
          assertExpected(hash, expectedHash);
          return deps.store.programs.put({ ...owner, hash, name, size });
        };
        return { program: toProgram(await deps.quotas.storing(owner, size, store, arrival)) };
      };
      return deps.quotas.arrivals.during((arrival) => deps.store.holds.during((hold) => receiveAndName(hold, arrival)));
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
