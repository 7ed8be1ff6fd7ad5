// Package scan does the steps of ScanImages: it calls the workers' gRPC service, keeps plans and attempts in the bucket, and
// merges what was read into refs/ and changes/. It implements workflows.Scanner.
//
// One file a step, in their order: resolve.go, cut.go, analyze.go, assemble.go, announce.go. Facts and inventories never
// pass through here; workers write them to the bucket.
package scan
