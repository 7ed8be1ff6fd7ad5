package demo

import (
	"archive/zip"
	"embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

//go:generate go run ./gen

//go:embed advisories/*.json
var facts embed.FS

// WriteAdvisories writes the embedded facts under dir in the layout of osv.dev's bucket, <Ecosystem>/all.zip, so that the
// demo's advisories take the same way as any others.
func WriteAdvisories(dir string) error {
	files, err := facts.ReadDir("advisories")
	if err != nil {
		return err
	}
	var ecosystems strings.Builder
	for _, f := range files {
		ecosystem := strings.TrimSuffix(f.Name(), ".json")
		raw, err := facts.ReadFile("advisories/" + f.Name())
		if err != nil {
			return err
		}
		if err := writeZip(filepath.Join(dir, ecosystem), raw); err != nil {
			return fmt.Errorf("sample advisories %s: %w", ecosystem, err)
		}
		ecosystems.WriteString(ecosystem + "\n")
	}
	return os.WriteFile(filepath.Join(dir, "ecosystems.txt"), []byte(ecosystems.String()), 0o600)
}

func writeZip(dir string, raw []byte) (err error) {
	var records []json.RawMessage
	if err := json.Unmarshal(raw, &records); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(dir, "all.zip"))
	if err != nil {
		return err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	z := zip.NewWriter(f)
	for _, r := range records {
		var named struct {
			ID string `json:"id"`
		}
		if err := json.Unmarshal(r, &named); err != nil {
			return err
		}
		w, err := z.Create(named.ID + ".json")
		if err != nil {
			return err
		}
		if _, err := w.Write(r); err != nil {
			return err
		}
	}
	return z.Close()
}
