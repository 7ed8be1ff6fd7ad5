package analyze

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"github.com/plimsoll/plimsoll"
)

// wantsChisel tells Chisel's manifest, which images of cut-down Ubuntu have in place of dpkg's database.
func wantsChisel(f *file) bool { return f.path == "var/lib/chisel/manifest.wall" }

// chiselLine is one line of a Chisel manifest, a "jsonwall": JSON lines, zstd. The first line holds the schema and the count.
type chiselLine struct {
	JSONWall string `json:"jsonwall"`
	Count    int    `json:"count"`
	Kind     string `json:"kind"`
	Name     string `json:"name"`
	Version  string `json:"version"`
	Arch     string `json:"arch"`

	// Of a path: what it is a part of ("libc6_libs": a slice of a package), and the sum of a file's content, as the package has it
	// and as scripts of Chisel's left it.
	Path   string   `json:"path"`
	Slices []string `json:"slices"`
	SHA256 string   `json:"sha256"`
	Final  string   `json:"final_sha256"`
}

func readChisel(_ context.Context, f *file) (found []plimsoll.Package, reason string) {
	reason = chiselLines(f.data, func(l *chiselLine) string {
		if l.Kind != "package" {
			return ""
		}
		if l.Name == "" || l.Version == "" {
			return reasonMalformed
		}
		found = append(found, plimsoll.Package{Name: l.Name, Version: l.Version, Architecture: l.Arch, Ecosystem: FamilyDeb})
		return ""
	})
	return found, reason
}

// chiselLines calls do for each line; reason is what it last gave, or why the manifest was not read to its end.
func chiselLines(b []byte, do func(l *chiselLine) string) (reason string) {
	z, err := zstd.NewReader(bytes.NewReader(b), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxFile))
	if err != nil {
		return reasonBroken
	}
	defer z.Close()
	lines := bufio.NewScanner(io.LimitReader(z, maxDatabase))
	lines.Buffer(nil, 1<<20)
	want, got := -1, 0
	for lines.Scan() {
		if got++; got > maxChisel {
			return fmt.Sprintf("limit reached: more than %d lines", maxChisel)
		}
		var l chiselLine
		switch {
		case json.Unmarshal(lines.Bytes(), &l) != nil:
			reason = reasonMalformed
		case l.JSONWall != "":
			want = l.Count
		default:
			reason = cmp.Or(do(&l), reason)
		}
	}
	// The count tells a manifest that was cut short.
	if lines.Err() != nil || want != got {
		return reasonBroken
	}
	return reason
}
