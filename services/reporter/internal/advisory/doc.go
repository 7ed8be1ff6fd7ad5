// Package advisory turns published advisories into a generation that stands in the bucket, and a generation into an index
// in memory that matching asks.
//
// The flow, one stage a file: [Source] (a folder, a URL, an embedded set; source.go, folder.go, web.go) gives one zip an
// ecosystem in the layout of osv.dev's bucket; stage.go checks it record by record (record.go); pack.go makes one sorted
// object an ecosystem; [Updater] (update.go) joins the packs into a generation and says so in the change log; build.go and
// index.go compile it.
//
// A feed that cannot be read now, or that lost more than it plausibly can, keeps its last good pack and says why.
package advisory
