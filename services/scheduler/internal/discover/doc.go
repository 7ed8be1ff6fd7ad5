// Package discover finds what a registry holds: its repositories and their tags, and, where the vendor tells them, the tags'
// digests and the times of their pushes in bulk, so that no tag has to be asked for by itself.
//
// One file is one kind of registry. All of them ask through [registry.Client], which keeps the guards, limits, pauses and tries;
// vendors' own client libraries would each bring transports of their own without them.
//
// A listing is complete or says what is missing: a part that cannot be listed (a project without permission) is a [Missed] beside
// the rest, never an absence. No URL from a reply is followed: of a link to a next page only the page's number or query counts.
package discover
