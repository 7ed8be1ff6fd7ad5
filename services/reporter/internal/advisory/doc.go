// Package advisory turns published advisories into a generation that stands in the bucket, and a generation into a compiled
// index that matching asks.
//
// The flow, one stage a file: [Source] (a folder, a URL, an embedded set; source.go, web.go) gives one zip an ecosystem in the
// layout of osv.dev's bucket; stage.go checks it record by record (record.go); pack.go makes one sorted object an ecosystem;
// [Updater] (update.go) joins the packs into a generation and says so in the change log.
//
// A generation is compiled once. Each feed is a segment (segment.go, body.go), flat tables that are read where they lie
// (table.go), and one that did not change is taken over as it is; build.go settles the segments with each other, flaws.go
// joins the ids of one flaw. [Index] (index.go) answers from that, decodes a record when it is asked for, and stands in a
// file (file.go) in a [Cache] for the next start. [Delta] names the packages for which two generations may differ.
//
// A feed that cannot be read now, or that lost more than it plausibly can, keeps its last good pack and says why.
package advisory
