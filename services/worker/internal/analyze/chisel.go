package analyze

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
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
}

func readChisel(_ context.Context, f *file) (found []plimsoll.Package, reason string) {
	z, err := zstd.NewReader(bytes.NewReader(f.data), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxFile))
	if err != nil {
		return nil, reasonBroken
	}
	defer z.Close()
	lines := bufio.NewScanner(io.LimitReader(z, maxDatabase))
	lines.Buffer(nil, 1<<20)
	want, got := -1, 0
	for lines.Scan() {
		var l chiselLine
		got++
		if json.Unmarshal(lines.Bytes(), &l) != nil {
			reason = reasonMalformed
			continue
		}
		switch {
		case l.JSONWall != "":
			want = l.Count
		case l.Kind == "package" && l.Name != "" && l.Version != "":
			found = append(found, plimsoll.Package{Name: l.Name, Version: l.Version, Architecture: l.Arch, Ecosystem: FamilyDeb})
		case l.Kind == "package":
			reason = reasonMalformed
		}
		if len(found) > maxPerFile {
			return found, ""
		}
	}
	// The count tells a manifest that was cut short.
	if lines.Err() != nil || want != got {
		reason = reasonBroken
	}
	return found, reason
}
