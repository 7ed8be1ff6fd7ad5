// Package child analyses hostile bytes in a process of their own.
//
// The worker reads registries, holds credentials and writes the bucket; the child inflates layers and runs extractors. Between
// them are two pipes and one page of shared memory on which the child says what it is at. The child has no network, no file
// descriptor besides these, no environment, no writable disk, and bounds of its own; where the kernel allows, namespaces and a
// system call filter hold it there. What kills a child is a [Fault] that names the extractor at work: a try that failed, never a
// fact.
//
// A child serves one job at a time. It is replaced after a fault, after a limit that a layer hit, and after so many jobs or bytes
// that a leak would show.
package child
