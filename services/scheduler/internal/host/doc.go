// Package host is the scheduler's side of Temporal: the connection, the workflow hosts of the three task queues, and the
// scans that the queue's requests ask for.
package host
