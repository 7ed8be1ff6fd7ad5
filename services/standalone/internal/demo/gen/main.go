// Command gen writes advisories/Go.json: the facts (ids, aliases, ranges; no prose) of the Go vulnerability database that
// concern the modules in this repository's build list, the standard library and the toolchain. The database comes as the
// Go module golang.org/x/vulndb.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

const database = "golang.org/x/vulndb@v0.0.0-20261105234957-e22db6528018"

// record is the part of an OSV record that is kept.
type record struct {
	ID        string     `json:"id"`
	Modified  string     `json:"modified"`
	Published string     `json:"published,omitempty"`
	Withdrawn string     `json:"withdrawn,omitempty"`
	Aliases   []string   `json:"aliases,omitempty"`
	Affected  []affected `json:"affected"`
}

type affected struct {
	Package struct {
		Ecosystem string `json:"ecosystem"`
		Name      string `json:"name"`
	} `json:"package"`
	Ranges json.RawMessage `json:"ranges"`
}

func main() {
	if err := run("advisories/Go.json"); err != nil {
		log.Fatal(err)
	}
}

func run(out string) error {
	wanted, err := modules()
	if err != nil {
		return err
	}
	dir, released, err := download()
	if err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(dir, "data", "osv", "*.json"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no records under %s: %w", dir, err)
	}
	var kept []record
	for _, file := range files {
		r, err := read(file)
		if err != nil {
			return err
		}
		r.Affected = slices.DeleteFunc(r.Affected, func(a affected) bool { return !wanted[a.Package.Name] })
		if len(r.Affected) == 0 {
			continue
		}
		if strings.HasPrefix(r.Modified, "0001") { // the source leaves it unset
			r.Modified = released
		}
		if strings.HasPrefix(r.Published, "0001") {
			r.Published = ""
		}
		kept = append(kept, r)
	}
	slices.SortFunc(kept, func(a, b record) int { return strings.Compare(a.ID, b.ID) })
	return write(out, kept)
}

// modules is what the product's own binary is built from.
func modules() (map[string]bool, error) {
	raw, err := exec.Command("go", "list", "-m", "-f", "{{.Path}}", "all").Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	wanted := map[string]bool{"stdlib": true, "toolchain": true}
	for name := range strings.FieldsSeq(string(raw)) {
		wanted[name] = true
	}
	return wanted, nil
}

func download() (dir, released string, err error) {
	raw, err := exec.Command("go", "mod", "download", "-json", database).Output()
	if err != nil {
		return "", "", fmt.Errorf("go mod download %s: %w", database, err)
	}
	var m struct{ Dir, Version string }
	if err := json.Unmarshal(raw, &m); err != nil {
		return "", "", err
	}
	stamp := strings.Split(m.Version, "-")[1] // a pseudo-version: v0.0.0-yyyymmddhhmmss-commit
	return m.Dir, fmt.Sprintf("%s-%s-%sT%s:%s:%sZ", stamp[:4], stamp[4:6], stamp[6:8], stamp[8:10], stamp[10:12], stamp[12:14]), nil
}

func read(file string) (r record, err error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		return r, fmt.Errorf("%s: %w", file, err)
	}
	return r, nil
}

// write puts one record on a line, so that a change shows as one.
func write(out string, records []record) error {
	var b bytes.Buffer
	b.WriteString("[\n")
	for i, r := range records {
		line, err := json.Marshal(r)
		if err != nil {
			return err
		}
		b.Write(line)
		if i < len(records)-1 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
	}
	b.WriteString("]\n")
	return os.WriteFile(out, b.Bytes(), 0o644)
}
