// Package engine starts the three engines that a cluster would run as separate systems, inside this process: NATS with
// JetStream (the queue), Temporal (durable orchestration) and an S3 gateway (the system of record). All listen on
// loopback, on free ports, NATS and S3 with credentials generated at each start.
//
// What is kept, under Options.Data:
//
//	version        the format of this folder; a folder of another format is refused
//	nats/          JetStream's streams                      one process at a time
//	temporal/      SQLite files with their write-ahead logs  one process at a time
//	bucket/        the gateway's root; the bucket is bucket/plimsoll; shared by any number of processes
//	bucket-meta/   the objects' metadata, where the file system has no extended attributes
//
// A transient start (plimsoll scan) keeps NATS and Temporal in memory and shares the bucket with whoever else uses it.
// The gateway's conditional writes hold between processes: it decides and publishes under a flock on a lock file of the
// key's shard (bucket/.vgwlocks), which TestConditionalWritesAcrossProcesses checks.
//
// What a crash costs. Killing the process loses nothing acknowledged. Losing power may lose the last seconds of NATS and
// Temporal, which sweeps rebuild, and objects of the bucket that were written in those seconds, except under the keys
// that cannot be derived again: those are synced, file and folder, before the write is acknowledged (see durable).
//
// The S3 gateway changes the working directory of the process while it runs, so a process may run one set of engines at
// a time, and everything else in it must use absolute paths.
package engine
