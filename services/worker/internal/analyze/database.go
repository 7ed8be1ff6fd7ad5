package analyze

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/osv-scalibr/extractor/filesystem"

	"github.com/plimsoll/plimsoll"
)

// stanzas is a database of records separated by blank lines, as dpkg and apk write it. osv-scalibr's extractors stop at the
// first malformed record, or pass over it with a log line; so each record is judged here first, and when the extractor's
// count differs, records are handed over one by one: only the malformed ones are lost, and they are told.
type stanzas struct {
	extractor filesystem.Extractor
	judge     func(path string, stanza []byte) verdict
}

// verdict is what a record ought to give.
type verdict int

const (
	holdsNothing verdict = iota // not installed: rightly passed over
	holdsPackage
	malformed
)

const reasonMalformed = "malformed record"

func (s stanzas) read(ctx context.Context, f *file) ([]plimsoll.Package, string) {
	all, cut := split(f.data)
	var good [][]byte
	bad := 0
	for _, st := range all {
		switch s.judge(f.path, st) {
		case holdsPackage:
			good = append(good, st)
		case malformed:
			bad++
		}
	}
	found, lost := s.extract(ctx, f, good)
	reason := ""
	switch {
	case cut:
		reason = fmt.Sprintf("limit reached: more than %d records", maxPerFile)
	case bad+lost > 0:
		reason = reasonMalformed
	}
	return found, reason
}

// extract hands over all records at once, and one by one when that does not give one package each.
func (s stanzas) extract(ctx context.Context, f *file, good [][]byte) (found []plimsoll.Package, lost int) {
	whole := *f
	whole.data = append(bytes.Join(good, []byte("\n\n")), "\n\n"...)
	ps, err := scan(ctx, s.extractor, &whole)
	if err == nil && len(ps) == len(good) {
		return convertAll(ps), 0
	}
	for _, st := range good {
		if ctx.Err() != nil {
			return found, lost
		}
		one := *f
		one.data = append(bytes.Clone(st), "\n\n"...)
		ps, err := scan(ctx, s.extractor, &one)
		if err != nil || len(ps) != 1 {
			lost++
			continue
		}
		found = append(found, convert(ps[0]))
	}
	return found, lost
}

// split cuts at blank lines. cut tells that there were more records than are read.
func split(b []byte) (all [][]byte, cut bool) {
	b = bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n"))
	for part := range bytes.SplitSeq(b, []byte("\n\n")) {
		if part = bytes.Trim(part, "\n"); len(part) == 0 {
			continue
		}
		if len(all) == maxPerFile {
			return all, true
		}
		all = append(all, part)
	}
	return all, false
}

// field is the value of the first line "Name: value" of a dpkg record; names are compared as dpkg does, without case.
func field(stanza []byte, name string) string {
	for line := range bytes.Lines(stanza) {
		if len(line) > len(name) && line[len(name)] == ':' && strings.EqualFold(string(line[:len(name)]), name) {
			return string(bytes.TrimSpace(line[len(name)+1:]))
		}
	}
	return ""
}

// judgeDpkg follows deb-control(5) and dpkg's status file: installed is the third word of Status. The files of status.d, which
// images without dpkg have, know no Status.
func judgeDpkg(path string, st []byte) verdict {
	status := strings.Fields(field(st, "Status"))
	single := strings.Contains(path, "status.d")
	switch {
	case field(st, "Package") == "":
		return malformed
	case twice(st, "Package") || twice(st, "Version") || twice(st, "Status"):
		return malformed // records that ran together: dpkg refuses them
	case len(status) == 0 && !single, len(status) != 0 && len(status) != 3:
		return malformed
	case len(status) == 3 && !slices.Contains(dpkgStates, status[2]):
		return malformed
	case len(status) == 3 && status[2] != "installed":
		return holdsNothing
	case field(st, "Version") == "":
		return malformed
	}
	return holdsPackage
}

// dpkgStates are the states of a package (dpkg(1), "Package states").
var dpkgStates = []string{
	"not-installed", "config-files", "half-installed", "unpacked", "half-configured", "triggers-awaited", "triggers-pending", "installed",
}

// twice tells whether a dpkg record has a field more than once.
func twice(stanza []byte, name string) bool {
	n := 0
	for line := range bytes.Lines(stanza) {
		if len(line) > len(name) && line[len(name)] == ':' && strings.EqualFold(string(line[:len(name)]), name) {
			n++
		}
	}
	return n > 1
}

// judgeApk: P: is the name and V: the version. A database starts with no header.
func judgeApk(_ string, st []byte) verdict {
	if keys(st, 'P') != 1 || keys(st, 'V') != 1 {
		return malformed // twice: records that ran together
	}
	return holdsPackage
}

// keys is how often a record has a line of that key with a value.
func keys(st []byte, key byte) (n int) {
	for line := range bytes.Lines(st) {
		if len(line) > 2 && line[0] == key && line[1] == ':' && len(bytes.TrimSpace(line[2:])) > 0 {
			n++
		}
	}
	return n
}
