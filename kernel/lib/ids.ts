/** Branded ids: numbers that cannot be mixed up. Ids are shared by all areas, the tables behind them are private. */
declare const brand: unique symbol;
export type Id<Kind extends string> = number & { readonly [brand]: Kind };

export type TaskId = Id<"task">;
export type ThreadId = Id<"thread">;
export type SpaceId = Id<"space">;
/** A stored file content (program, data file) that the machine knows by SHA-256. */
export type ImageId = Id<"image">;
/** What a regular file holds. */
export type StoredId = Id<"stored">;
export type FilesystemId = Id<"filesystem">;
export type MountId = Id<"mount">;
/** Of a file within its file system. */
export type InodeNumber = Id<"inode">;
/** Physical frame number relative to the start of RAM. */
export type FrameNumber = Id<"frame">;
/** A call made by a client through a remote-driven task. */
export type CallId = Id<"call">;
/** A byte of physical memory. */
export type PhysicalAddress = Id<"physical">;
/** A slot that can hold a capability: where it is in physical memory; below zero, one of the kernel's own. */
export type SlotAddress = Id<"slot">;
