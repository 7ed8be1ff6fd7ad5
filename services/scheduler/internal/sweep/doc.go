// Package sweep passes over one registry: it lists repositories and tags, asks each tag's digest by HEAD, compares with
// refs/ and queues what is not read by the present recipe yet.
//
// A sweep of an unchanged registry costs the listings, one HEAD a tag and one read of refs/ a repository, and nothing else:
// no blob, no manifest, no write, no scan. The flow is page.go → list.go → compare.go → record.go → enqueue.go, then
// drain.go, gone.go and finish.go. The workflow around it stands in package workflows.
package sweep
