package plimsoll

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func someOwned() []OwnedFile {
	return []OwnedFile{
		{Path: "usr/bin/curl", Sum: bytes.Repeat([]byte{1}, 16)},
		{Path: "usr/bin/curl-config", Sum: bytes.Repeat([]byte{2}, 20)},
		{Path: "etc/curlrc", Sum: bytes.Repeat([]byte{3}, 32), Config: true},
		{Path: "etc/curlrc", Sum: []byte{}},
		{Path: "a", Sum: []byte{}, Config: true},
	}
}

func TestOwnedFiles(t *testing.T) {
	t.Parallel()
	want := FileOwner{Package: "curl", Files: PackOwned(someOwned()...)}
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got FileOwner
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(someOwned(), slices.Collect(got.Files.All())); diff != "" {
		t.Errorf("files after JSON (-want +got):\n%s", diff)
	}
	for f := range got.Files.All() {
		if f.Path != "usr/bin/curl" {
			t.Errorf("first file %q", f.Path)
		}
		break
	}
	long := slices.Collect(PackOwned(OwnedFile{Path: "a", Sum: make([]byte, maxSum+1)}).All())
	if len(long) != 1 || len(long[0].Sum) != 0 {
		t.Errorf("a sum that is too long: %+v", long)
	}
}

func TestOwnedFilesBroken(t *testing.T) {
	t.Parallel()
	whole := PackOwned(someOwned()...)
	for name, bad := range map[string]OwnedFiles{
		"cut":                     whole[:len(whole)-1],
		"shares more than it has": {1, 0, 0},
		"text beyond the end":     {0, 5, 'a'},
		"sum beyond the end":      {0, 1, 'a', 32, 1},
		"sum too long":            append(OwnedFiles{0, 1, 'a', 130, 1}, make([]byte, 65)...),
		"number without an end":   {0x80},
	} {
		b, err := json.Marshal(bad)
		if err != nil {
			t.Fatal(err)
		}
		var got OwnedFiles
		if err := json.Unmarshal(b, &got); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: error %v, want ErrInvalid", name, err)
		}
		for range bad.All() { // ends
		}
	}
	var got OwnedFiles
	if err := json.Unmarshal([]byte(`"?"`), &got); err == nil {
		t.Error("no base64: no error")
	}
}

func FuzzOwnedFiles(f *testing.F) {
	f.Add([]byte(PackOwned(someOwned()...)))
	f.Fuzz(func(t *testing.T, b []byte) {
		j, err := json.Marshal(OwnedFiles(b))
		if err != nil {
			t.Fatal(err)
		}
		var o OwnedFiles
		if json.Unmarshal(j, &o) != nil {
			return
		}
		all := slices.Collect(o.All())
		if diff := cmp.Diff(all, slices.Collect(PackOwned(all...).All())); diff != "" {
			t.Errorf("packed again (-want +got):\n%s", diff)
		}
	})
}

// BenchmarkOwnedFiles packs, encodes and decodes what a large image's packages own.
func BenchmarkOwnedFiles(b *testing.B) {
	var files []OwnedFile
	for i := range 100_000 {
		files = append(files, OwnedFile{Path: fmt.Sprintf("usr/share/package%d/folder/file%d", i/50, i), Sum: make([]byte, 16)})
	}
	for b.Loop() {
		j, err := json.Marshal(PackOwned(files...))
		if err != nil {
			b.Fatal(err)
		}
		var o OwnedFiles
		if err := json.Unmarshal(j, &o); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(j)), "JSON-bytes")
	}
}
