package e2e

import (
	"archive/zip"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/imagetest"
)

// hostileMemory bounds the resident memory of each process of a scan of the corpus: the product with all its parts in one process, or
// the child that reads. It holds without the largest inventory, of 200,000 packages, which takes its space in reports.
const hostileMemory = 512 << 20

const largestInventory = "H37 dpkg of 200,001 packages"

// wrong are cases that a scan answers otherwise than the catalogue asks. The list must be empty; a case that has become right must be
// taken off.
var wrong = map[string]string{}

// TestHostile takes the whole corpus of hostile images through one scan: all of them as tags of one layout, beside an honest image.
// Each must come to the outcome of the catalogue with a reason, the honest packages beside each trap must be found, no analysis may
// crash, and memory stays bounded. A second scan, of the same images in the opposite order with one processor, must say the
// same, word for word (H55).
func TestHostile(t *testing.T) {
	t.Parallel()
	ctx := t.Context() // two scans of every case: with the race detector they take longer than other tests may
	all := imagetest.Specimens()
	most := slices.DeleteFunc(slices.Clone(all), func(s imagetest.Specimen) bool { return s.Name == largestInventory })
	honest := slices.DeleteFunc(slices.Clone(all), func(s imagetest.Specimen) bool { return s.Row() != "H52" || s.Want != imagetest.WantOK })
	advisories := hostileAdvisories(t)
	first := scanHostile(ctx, t, most, advisories)
	first.check(t)
	if first.memory > hostileMemory && !raceEnabled {
		t.Errorf("a process took %d MiB, want at most %d", first.memory>>20, hostileMemory>>20)
	}
	slices.Reverse(all)
	second := scanHostile(ctx, t, all, advisories, "GOMAXPROCS=1")
	second.check(t)
	if most := int64(3 * hostileMemory); second.memory > most && !raceEnabled {
		t.Errorf("a process took %d MiB with the largest inventory, want at most %d", second.memory>>20, most>>20)
	}
	for _, s := range all {
		t.Run(s.Name, func(t *testing.T) { judge(t, s, second.images[s.Slug()]) })
	}
	for slug, images := range first.images {
		if diff := gocmp.Diff(answers(images), answers(second.images[slug])); diff != "" {
			t.Errorf("%s in another order (-first +second):\n%.2000s", slug, diff)
		}
	}
	if after := scanHostile(ctx, t, honest, advisories); after.code != 0 {
		t.Errorf("scan of honest images: exit %d, want 0\n%s", after.code, after.log)
	}
}

// TestHostileText: names, labels and versions that are made to be taken for more than text (H43 to H45) do no harm in any format: a terminal
// sees no control characters and no change of direction, and what is JSON stays JSON.
func TestHostileText(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	rows := map[string]bool{"H43": true, "H44": true, "H45": true}
	odd := slices.DeleteFunc(imagetest.Specimens(), func(s imagetest.Specimen) bool { return !rows[s.Row()] })
	dir, data := filepath.Join(t.TempDir(), "odd"), t.TempDir()
	if err := imagetest.WriteLayout(dir, odd...); err != nil {
		t.Fatal(err)
	}
	advisories := hostileAdvisories(t)
	for _, format := range []string{"table", "json", "sarif", "cyclonedx", "spdx"} {
		out, errOut, code := plimsollCommand(ctx, t, "scan", "oci:"+dir, "--advisories", advisories, "--data", data, "--format", format, "--wide", "--all")
		if code == 3 || len(out) == 0 {
			t.Fatalf("%s: exit %d: %s", format, code, errOut)
		}
		if i := strings.IndexFunc(out, harmful); i >= 0 && format == "table" || strings.ContainsAny(out, "\x00\x07\x1b") {
			t.Errorf("%s: at %d: %.80q", format, i, out[max(0, i-30):])
		}
		if format != "table" && !json.Valid([]byte(out)) {
			t.Errorf("%s: no JSON", format)
		}
	}
}

// harmful tells what a terminal obeys: control characters, and those that turn the direction of text or take no room.
func harmful(r rune) bool {
	return r != '\n' && unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u200b'
}

// hostileScan is what one scan of several specimens gave.
type hostileScan struct {
	images map[string][]scanned // by slug; an index has several
	code   int
	log    string
	memory int64 // of the largest process, in bytes
}

func scanHostile(ctx context.Context, t *testing.T, specimens []imagetest.Specimen, advisories string, env ...string) hostileScan {
	t.Helper()
	dir, document := filepath.Join(t.TempDir(), "hostile"), filepath.Join(t.TempDir(), "document.json")
	if err := imagetest.WriteLayout(dir, specimens...); err != nil {
		t.Fatal(err)
	}
	var errOut bytes.Buffer
	cmd := exec.CommandContext(ctx, binary, "scan", "oci:"+dir, "--advisories", advisories, "--data", t.TempDir(), "--format", "json", "--output", document)
	cmd.Stdout, cmd.Stderr, cmd.Env = io.Discard, &errOut, append(os.Environ(), env...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	memory, err := peakUntil(ended, cmd.Process.Pid)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	var doc struct {
		Images []scanned `json:"images"`
	}
	raw := readFile(t, document)
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatalf("document: %v\n%.2000s", err, errOut.String())
	}
	if bytes.Contains(raw, []byte(imagetest.PlantedSecret)) || strings.Contains(errOut.String(), imagetest.PlantedSecret) {
		t.Error("a secret stands in the document or in the log")
	}
	out := hostileScan{images: map[string][]scanned{}, code: cmd.ProcessState.ExitCode(), log: errOut.String(), memory: memory}
	for _, im := range doc.Images {
		slug := im.Reference[strings.LastIndexByte(im.Reference, ':')+1:]
		out.images[slug] = append(out.images[slug], im)
	}
	t.Logf("%d images of %d cases, largest process %d MiB", len(doc.Images), len(specimens), out.memory>>20)
	return out
}

// peakUntil waits for a process and gives the most memory that it or one of its children had, in bytes. It looks every 10 ms at what
// the kernel keeps of each (proc(5), VmHWM): the resource usage of an ended process would count this test's own memory, which it
// had until it became another program.
func peakUntil(ended <-chan error, pid int) (peak int64, err error) {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case err := <-ended:
			return peak, err
		case <-ticker.C:
			peak = max(peak, familyPeak(pid))
		}
	}
}

func familyPeak(pid int) (peak int64) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0 // it has ended
	}
	if _, rest, ok := strings.Cut(string(status), "VmHWM:"); ok {
		if _, err := fmt.Sscan(rest, &peak); err != nil {
			return 0
		}
	}
	peak <<= 10
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return peak
	}
	for _, file := range tasks {
		children, err := os.ReadFile(file)
		if err != nil {
			continue // that thread has ended
		}
		for _, child := range strings.Fields(string(children)) {
			if n, err := strconv.Atoi(child); err == nil {
				peak = max(peak, familyPeak(n))
			}
		}
	}
	return peak
}

// gatewayAside is what the embedded S3 gateway, which takes no logger, printed once on a busy machine: by its words a request that ended
// early, as those of a cancelled step do. A scan that suffers from it differs in its images, which are compared below.
const gatewayAside = "\x1b[31m[INTERNAL ERROR]: unexpected EOF\x1b[0m\n"

// check looks at the scan as a whole.
func (s hostileScan) check(t *testing.T) {
	t.Helper()
	if s.code != 2 {
		t.Errorf("exit %d, want 2: reading fell short", s.code)
	}
	for _, word := range []string{"DATA RACE", "panic:", "fatal error:", "goroutine 1 ["} {
		if strings.Contains(s.log, word) {
			t.Errorf("the log says %q:\n%.3000s", word, s.log)
		}
	}
	for line := range strings.Lines(s.log) {
		if line == gatewayAside {
			continue
		}
		if !json.Valid([]byte(line)) || strings.ContainsAny(strings.TrimSuffix(line, "\n"), "\x1b\x07\r") {
			t.Errorf("a line of the log that is no JSON, or has control characters: %.300q", line)
		}
	}
}

// judge compares one case with its row.
func judge(t *testing.T, s imagetest.Specimen, images []scanned) {
	t.Helper()
	fault := faultOf(s, images)
	switch why, listed := wrong[s.Name]; {
	case fault != "" && !listed:
		t.Error(fault)
	case fault == "" && listed:
		t.Errorf("is right now: take it off the list (%s)", why)
	}
}

// faultOf tells what is wrong with a case's outcome; empty when nothing is.
func faultOf(s imagetest.Specimen, images []scanned) string {
	if len(images) == 0 {
		return "nothing is said of it"
	}
	var short []string
	none := true
	for _, im := range images {
		for analyzer, read := range im.Read {
			none = none && read.State == plimsoll.ReadNotApplicable
			if !read.Short() || s.Analyzer != "" && analyzer != "" && analyzer != s.Analyzer {
				continue
			}
			short = append(short, fmt.Sprintf("%s %s (%s)", analyzer, read.State, read.Reason))
			if fault := badReason(read.Reason); fault != "" {
				return fault
			}
		}
		if len(im.Read) == 0 {
			return "an image without coverage"
		}
	}
	slices.Sort(short)
	right := map[string]bool{
		imagetest.WantOK: len(short) == 0 && !none, imagetest.WantPartial: len(short) > 0, imagetest.WantOKPartial: !none,
		imagetest.WantRefused: len(short) > 0, imagetest.WantNoImage: none,
	}
	if !right[s.Want] {
		return fmt.Sprintf("want %s, got %q (no image: %v)", s.Want, short, none)
	}
	for _, held := range s.Holds {
		if !holds(images, held) {
			return fmt.Sprintf("lacks %s; %q", held, short)
		}
	}
	return ""
}

// badReason: a reason is short, on one line, and says what went wrong rather than where somebody tripped over it. A crash is
// never one of these bytes' properties.
func badReason(why string) string {
	for _, never := range []string{"panicked", "crash", "quarantine", "its inventory cannot be used", "127.0.0.1"} {
		if strings.Contains(why, never) {
			return fmt.Sprintf("the reason %q says %q", why, never)
		}
	}
	if why == "" || len(why) > 1<<10 || strings.ContainsAny(why, "\n\r\x00\x1b") {
		return fmt.Sprintf("reason %.1200q", why)
	}
	return ""
}

func holds(images []scanned, held string) bool {
	return slices.ContainsFunc(images, func(im scanned) bool {
		return slices.ContainsFunc(im.Packages, func(p plimsoll.Package) bool { return p.Name+" "+p.Version == held })
	})
}

// answers are what two scans of the same bytes must agree on.
func answers(images []scanned) []scanned {
	all := slices.Clone(images)
	for i := range all {
		all[i].Reference = "" // the folder differs
	}
	slices.SortFunc(all, func(a, b scanned) int {
		return cmp.Or(cmp.Compare(a.Digest, b.Digest), cmp.Compare(a.Platform, b.Platform))
	})
	return all
}

// hostileAdvisories are about the packages with odd versions, so that each is compared with a range.
func hostileAdvisories(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for ecosystem, names := range map[string][]string{"Debian:12": {"odd", "zlib1g"}, "npm": {"hostile", "lodash"}} {
		family, _, _ := strings.Cut(ecosystem, ":")
		folder := filepath.Join(dir, family)
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		for _, name := range names {
			id := "TEST-" + family + "-" + name
			w, err := z.Create(id + ".json")
			if err != nil {
				t.Fatal(err)
			}
			_, err = fmt.Fprintf(w, `{"schema_version":"1.6.0","id":%q,"modified":"2026-01-01T00:00:00Z","affected":[{"package":{"ecosystem":%q,"name":%q},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"2.0.0"}]}]}]}`, id, ecosystem, name)
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, "all.zip"), b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "ecosystems.txt"), []byte("Debian\nnpm\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}
