package plimsoll_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
)

func file(path string, notes ...plimsoll.FileNote) plimsoll.File {
	return plimsoll.File{Path: path, Notes: notes}
}

func TestContent(t *testing.T) {
	t.Parallel()
	inv := plimsoll.Inventory{
		Hidden:  []plimsoll.Package{{Name: "perl", HiddenIn: 2}},
		Secrets: []plimsoll.Secret{{Rule: "a"}, {Rule: "b", Hidden: true, HiddenIn: 2}, {Rule: "c", Layer: plimsoll.LayerConfig}},
		Files: []plimsoll.File{
			file("usr/bin/curl", plimsoll.NoteAltered), file("opt/tool", plimsoll.NoteUnowned),
			file("opt/root", plimsoll.NoteUnowned, plimsoll.NoteSetUID), file("opt/net", plimsoll.NoteUnowned, plimsoll.NoteCapabilities),
			file("usr/bin/su", plimsoll.NoteSetUID),
		},
	}
	want := plimsoll.Content{Secrets: 2, HiddenSecrets: 1, AlteredFiles: 1, UnownedFiles: 3, UnownedSetUID: 2, Files: 5, Removed: 1}
	if diff := cmp.Diff(want, inv.Content()); diff != "" {
		t.Errorf("content (-want +got):\n%s", diff)
	}
}

func TestFileRank(t *testing.T) {
	t.Parallel()
	worstFirst := []plimsoll.File{
		file("altered", plimsoll.NoteAltered, plimsoll.NoteSetUID),
		file("foreign", plimsoll.NoteUnowned, plimsoll.NoteSetUID),
		file("unverified", plimsoll.NoteUnverified),
		file("world", plimsoll.NoteWorldWritable, plimsoll.NoteUnowned),
		file("unowned", plimsoll.NoteUnowned),
		file("su", plimsoll.NoteSetUID),
		file("wall", plimsoll.NoteSetGID),
		file("ping", plimsoll.NoteCapabilities),
		file("none"),
	}
	if !slices.IsSortedFunc(worstFirst, func(a, b plimsoll.File) int { return a.Rank() - b.Rank() }) {
		t.Error("files are not in the order of their rank")
	}
	if got, worst := file("odd", "a note of a later version", plimsoll.NoteSetUID).Rank(), worstFirst[0].Rank(); got > worst {
		t.Errorf("a note that nobody knows ranks %d, after %d", got, worst)
	}
}
