package demo

import (
	"archive/zip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// advisory is the part of an OSV record (schema version 1) that the embedded facts have.
type advisory struct {
	ID       string   `json:"id"`
	Modified string   `json:"modified"`
	Aliases  []string `json:"aliases"`
	Severity []struct {
		Type, Score string
	} `json:"severity"`
	Details  string `json:"details"`
	Affected []struct {
		Package struct {
			Ecosystem, Name string
		} `json:"package"`
		Versions []string `json:"versions"`
		Ranges   []struct {
			Type   string              `json:"type"`
			Events []map[string]string `json:"events"`
		} `json:"ranges"`
	} `json:"affected"`
}

func written(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := WriteAdvisories(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

func ecosystems(t *testing.T, dir string) []string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "ecosystems.txt"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(raw))
}

// TestWriteAdvisories: each ecosystem that is listed has a zip, and each record in it is well formed and of that ecosystem.
func TestWriteAdvisories(t *testing.T) {
	t.Parallel()
	dir := written(t)
	all := ecosystems(t, dir)
	if want := []string{"Alpine", "Debian", "Go", "npm"}; !slices.Equal(all, want) {
		t.Errorf("ecosystems.txt: %q, want %q", all, want)
	}
	for _, ecosystem := range all {
		z, err := zip.OpenReader(filepath.Join(dir, ecosystem, "all.zip"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { z.Close() })
		if len(z.File) == 0 {
			t.Errorf("%s: no record", ecosystem)
		}
		seen := map[string]bool{}
		for _, f := range z.File {
			a, err := readAdvisory(f)
			if err == nil {
				err = a.check(ecosystem)
			}
			if err != nil || seen[f.Name] || f.Name != a.ID+".json" {
				t.Errorf("%s/%s: record %s, there before: %t, error %v", ecosystem, f.Name, a.ID, seen[f.Name], err)
			}
			seen[f.Name] = true
		}
	}
}

func readAdvisory(f *zip.File) (a advisory, err error) {
	r, err := f.Open()
	if err != nil {
		return a, err
	}
	defer r.Close()
	raw, err := io.ReadAll(r)
	if err != nil {
		return a, err
	}
	return a, json.Unmarshal(raw, &a)
}

func (a advisory) check(ecosystem string) error {
	if _, err := time.Parse(time.RFC3339, a.Modified); err != nil {
		return fmt.Errorf("modified: %w", err)
	}
	if a.Details != "" {
		return fmt.Errorf("it has prose: facts only")
	}
	if a.ID == "" || len(a.Affected) == 0 {
		return fmt.Errorf("id %q with %d affected packages", a.ID, len(a.Affected))
	}
	for _, s := range a.Severity {
		if !strings.HasPrefix(s.Type, "CVSS_V") || s.Score == "" {
			return fmt.Errorf("severity %+v", s)
		}
	}
	for _, p := range a.Affected {
		if family, _, _ := strings.Cut(p.Package.Ecosystem, ":"); family != ecosystem || p.Package.Name == "" {
			return fmt.Errorf("package %+v in the zip of %s", p.Package, ecosystem)
		}
		if len(p.Ranges) == 0 && len(p.Versions) == 0 {
			return fmt.Errorf("%s: neither ranges nor versions: nothing could match", p.Package.Name)
		}
		for _, r := range p.Ranges {
			if err := checkRange(r.Type, r.Events); err != nil {
				return fmt.Errorf("%s: %w", p.Package.Name, err)
			}
		}
	}
	return nil
}

// checkRange holds to the schema: the first event introduces, each event is one of four.
func checkRange(kind string, events []map[string]string) error {
	if kind != "SEMVER" && kind != "ECOSYSTEM" || len(events) == 0 || events[0]["introduced"] == "" {
		return fmt.Errorf("range %s: %v", kind, events)
	}
	for _, e := range events {
		for name, version := range e {
			if !slices.Contains([]string{"introduced", "fixed", "last_affected", "limit"}, name) || version == "" || len(e) != 1 {
				return fmt.Errorf("event %v", e)
			}
		}
	}
	return nil
}

// TestSources: the table of sources in README.md has a row with a licence for each file, and no other.
func TestSources(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("advisories/README.md")
	if err != nil {
		t.Fatal(err)
	}
	var named []string
	for line := range strings.Lines(string(readme)) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 5 || !strings.HasSuffix(strings.TrimSpace(cells[1]), ".json") {
			continue
		}
		named = append(named, strings.TrimSpace(cells[1]))
		if strings.TrimSpace(cells[2]) == "" || strings.TrimSpace(cells[3]) == "" {
			t.Errorf("a row without source or licence: %s", line)
		}
	}
	files, err := filepath.Glob("advisories/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for i := range files {
		files[i] = filepath.Base(files[i])
	}
	slices.Sort(named)
	if !slices.Equal(named, files) {
		t.Errorf("README.md names %q, the folder has %q", named, files)
	}
}

// TestWriteAdvisoriesFault: a place that cannot be written is an error that says which facts were to go there.
func TestWriteAdvisoriesFault(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := WriteAdvisories(file); err == nil || !strings.Contains(err.Error(), "sample advisories Alpine") {
		t.Errorf("error %v", err)
	}
}
