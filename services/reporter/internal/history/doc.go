// Package history keeps what the change log needs to tell the past, and tells it: a past moment as it was knowable, findings
// over time, and why numbers moved.
package history
