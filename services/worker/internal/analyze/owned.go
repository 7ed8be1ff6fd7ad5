package analyze

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/worker/internal/layer"
)

const dpkgInfo = "var/lib/dpkg/info/"

// apkDatabases are the places of apk's database: version 2's, that of a merged /usr, and an odd one that tools look at.
var apkDatabases = []string{"lib/apk/db/installed", "usr/lib/apk/db/installed", "var/lib/apk/db/installed"}

// listFormat tells files that say which files packages own, by their path; "" for others.
func listFormat(p string) plimsoll.ListFormat {
	dir, base := path.Split(p)
	switch {
	case dir == dpkgInfo && strings.HasSuffix(base, ".list"):
		return plimsoll.ListDpkgPaths
	case (dir == dpkgInfo || dir == "var/lib/dpkg/status.d/") && strings.HasSuffix(base, md5Suffix):
		return plimsoll.ListDpkgSums
	case p == "var/lib/dpkg/status":
		return plimsoll.ListDpkgConffiles
	case p == "var/lib/dpkg/diversions":
		return plimsoll.ListDpkgDiversions
	case slices.Contains(apkDatabases, p):
		return plimsoll.ListApk
	case wantsRPM(&file{path: p}):
		return plimsoll.ListRPM
	case wantsChisel(&file{path: p}):
		return plimsoll.ListChisel
	case base == "RECORD" && strings.HasSuffix(dir, distInfo+"/"):
		return plimsoll.ListPython
	}
	return ""
}

const (
	md5Suffix = ".md5sums"
	distInfo  = ".dist-info"
)

// isWholeList tells the formats that cannot be read line by line.
func isWholeList(f plimsoll.ListFormat) bool {
	return f == plimsoll.ListRPM || f == plimsoll.ListChisel
}

// list gives the sink that reads a list, as it passes or whole.
func (x *files) list(e *entry) sink {
	format := listFormat(e.Path)
	if format == "" {
		return nil
	}
	l := x.begin(format, e.Path, e.number)
	if !isWholeList(format) {
		return &lineSink{list: l, each: l.lines()}
	}
	if x.shared && !e.header.Sparse {
		return nil // the packages analyser buffers it, and hands it over
	}
	if e.Size > maxDatabase {
		l.fail(fmt.Sprintf("limit reached: file of more than %d MiB", maxDatabase>>20))
		l.end()
		return nil
	}
	x.buf.reset(e.Size)
	return &collector{
		buf: &x.buf, limit: maxDatabase, f: &file{path: e.Path, entry: e.number}, use: func(f *file) { l.whole(f.data) },
		broken: func(why string) { l.fail(why); l.end() },
	}
}

// handed takes a list that the packages analyser buffered, or the reason why it could not.
func (x *files) handed(f *file, reason string) {
	before := x.stage.load()
	x.stage.store(stageNumber(plimsoll.AnalyzerFiles))
	defer x.stage.store(before)
	l := x.begin(listFormat(f.path), f.path, f.entry)
	if reason != "" {
		l.fail(reason)
		l.end()
		return
	}
	l.whole(f.data)
}

// whole reads a list from memory.
func (l *list) whole(b []byte) {
	defer l.end()
	defer func() {
		if recover() != nil {
			l.fail("reader panicked")
		}
	}()
	if l.list.Format == plimsoll.ListChisel {
		l.chisel(b)
	} else {
		l.rpm(b)
	}
}

// ownedCount is what the lists of a layer hold so far.
type ownedCount struct{ files, bytes int }

// take makes room for a path and what stands beside it; the reason tells why there is none.
func (n *ownedCount) take(size int) (reason string) {
	switch {
	case n.files >= maxOwnedFiles:
		return fmt.Sprintf("limit reached: more than %d paths in a layer", maxOwnedFiles)
	case n.bytes+size > maxOwnedBytes:
		return fmt.Sprintf("limit reached: more than %d MiB in a layer", maxOwnedBytes>>20)
	}
	n.files++
	n.bytes += size
	return ""
}

// list is one list being read.
type list struct {
	x      *files
	list   plimsoll.FileList
	owner  string // of the files that come
	writer plimsoll.OwnedWriter
}

func (x *files) begin(format plimsoll.ListFormat, path string, entry int) *list {
	return &list{x: x, list: plimsoll.FileList{Path: path, Entry: entry, Format: format, Read: plimsoll.Complete()}}
}

// fail notes why the list is not read whole; the first reason counts.
func (l *list) fail(reason string) {
	if !l.list.Read.Short() {
		l.list.Read = plimsoll.Partial("owned files: " + reason)
	}
}

// add keeps a file of the present owner. What bounds forbid is told by the list.
func (l *list) add(f plimsoll.OwnedFile) {
	size := len(f.Path) + len(f.Sum)
	if l.writer.Count == 0 {
		size += len(l.owner)
	}
	if reason := l.x.owned.take(size); reason != "" {
		l.fail(reason)
		return
	}
	l.writer.Append(f)
}

// own starts with another owner's files.
func (l *list) own(name string) {
	if l.writer.Count > 0 {
		l.list.Owners = append(l.list.Owners, plimsoll.FileOwner{Package: l.owner, Files: slices.Clip(l.writer.Files)})
	}
	l.owner, l.writer = name, plimsoll.OwnedWriter{}
}

// end keeps the list. One that says nothing stays all the same: an empty list hides that of a lower layer.
func (l *list) end() {
	l.own("")
	if len(l.x.facts.Lists) >= maxLists || l.x.owned.bytes+len(l.list.Path) > maxOwnedBytes {
		l.x.reason = fmt.Sprintf("limit reached: more than %d lists of owned files in a layer, or more than %d MiB", maxLists, maxOwnedBytes>>20)
		return
	}
	l.x.owned.bytes += len(l.list.Path)
	l.x.facts.Lists = append(l.x.facts.Lists, l.list)
}

// lines gives what reads the lines of a list.
func (l *list) lines() lineReader {
	name := path.Base(l.list.Path)
	switch l.list.Format {
	case plimsoll.ListDpkgPaths:
		l.owner = dpkgName(strings.TrimSuffix(name, ".list"))
		return &dpkgPaths{list: l}
	case plimsoll.ListDpkgSums:
		l.owner = dpkgName(strings.TrimSuffix(name, md5Suffix))
		return dpkgSums{l}
	case plimsoll.ListDpkgConffiles:
		return &dpkgConffiles{list: l}
	case plimsoll.ListDpkgDiversions:
		return &dpkgDiversions{list: l}
	case plimsoll.ListApk:
		return &apkFiles{list: l}
	}
	return newPythonRecord(l)
}

// dpkgName drops the architecture of "libc6:amd64".
func dpkgName(s string) string {
	name, _, _ := strings.Cut(s, ":")
	return name
}

// ownedPath makes a path of a list one of the tree: clean, relative, valid UTF-8. It is empty for what can be no path.
func ownedPath(b []byte) string {
	if len(b) == 0 || len(b) > maxField {
		return ""
	}
	s := string(b)
	if strings.IndexByte(s, 0) >= 0 {
		return ""
	}
	return printable(layer.Clean(s))
}

// listLink is a hard link by the name of a list.
type listLink struct {
	list   *list
	target string
}

// link notes a hard link whose own name is that of a list: the file itself may have gone by under a name that told nothing.
func (x *files) link(e *entry) {
	if format := listFormat(e.Path); format != "" && len(x.links) < maxLists {
		x.links = append(x.links, listLink{x.begin(format, e.Path, e.number), e.Link})
	}
}

// missedLinks adds a partial list for each link to a file that was not read as one.
func (x *files) missedLinks() {
	if len(x.links) == 0 {
		return
	}
	read := make(map[string]struct{}, len(x.facts.Lists))
	for i := range x.facts.Lists {
		read[x.facts.Lists[i].Path] = struct{}{}
	}
	for _, k := range x.links {
		if _, ok := read[k.target]; !ok {
			k.list.fail("hard link to a file that was not read")
			k.list.end()
		}
	}
}
