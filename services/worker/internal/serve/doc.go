// Package serve is the worker's gRPC service (proto/worker/v1): it joins resolving, layer walking, analysis and assembly, and
// keeps what they make in the bucket.
package serve
