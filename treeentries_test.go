package plimsoll_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
)

func TestTreeEntriesRoundTrip(t *testing.T) {
	t.Parallel()
	want := []plimsoll.TreeEntry{
		{Path: "usr", Type: plimsoll.EntryDir, Mode: 0o755},
		{Path: "usr/bin/curl", Type: plimsoll.EntryFile, Mode: 0o4755, Size: 1 << 40},
		{Path: "usr/bin/curl-link", Type: plimsoll.EntrySymlink, Link: "../../x", Mode: 0o777},
		{Path: "usr/b", Type: plimsoll.EntryHardlink, Link: "usr/bin/curl"},
		{Path: "", Type: plimsoll.EntryOpaque},
		{Path: "etc/ü", Type: plimsoll.EntryWhiteout},
		{Path: "dev/null", Type: plimsoll.EntryDevice, Mode: 0o666},
	}
	b, err := json.Marshal(plimsoll.PackTree(want...))
	if err != nil {
		t.Fatal(err)
	}
	var got plimsoll.TreeFacts
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, slices.Collect(got.Entries.All())); diff != "" || got.Count != len(want) {
		t.Errorf("%d entries after JSON (-want +got):\n%s", got.Count, diff)
	}
}

// FuzzTreeEntries: bytes from outside are refused or give entries, and what is accepted packs to entries that are equal.
func FuzzTreeEntries(f *testing.F) {
	f.Add([]byte(plimsoll.PackTree(plimsoll.TreeEntry{Path: "a/b", Type: plimsoll.EntryFile, Size: 3}, plimsoll.TreeEntry{Path: "a", Type: plimsoll.EntrySymlink, Link: "b"}).Entries))
	f.Add([]byte("f\x05"))
	f.Fuzz(func(t *testing.T, packed []byte) {
		quoted, err := json.Marshal(packed)
		if err != nil {
			t.Fatal(err)
		}
		var got plimsoll.TreeEntries
		if json.Unmarshal(quoted, &got) != nil {
			return
		}
		first := slices.Collect(got.All())
		again := slices.Collect(plimsoll.PackTree(first...).Entries.All())
		if diff := cmp.Diff(first, again); diff != "" {
			t.Errorf("packed again (-first +again):\n%s", diff)
		}
	})
}
