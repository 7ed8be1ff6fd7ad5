package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/plimsoll/plimsoll"
)

// maxFile bounds the configuration, in bytes: a thousand registries are a quarter of it.
const maxFile = 1 << 20

// Read reads the file, lets the PLIMSOLL_… variables of env ("NAME=value", as os.Environ gives) override it, fills in the
// defaults, and checks the form of every field. All faults come back together, as [Faults]. An empty path means the
// defaults and the environment alone.
//
// Whether the files that the configuration names can be read is not asked here, since one configuration may serve parts
// that see different files: that is [File.Validate] and [File.ValidateFor].
//
// Relative paths in the file are relative to the file's folder, those in the environment to the working directory.
func Read(path string, env []string) (File, error) {
	var b []byte
	if path != "" {
		var err error
		if b, err = readFile(path); err != nil {
			return File{}, fmt.Errorf("read the configuration: %w", err)
		}
	}
	return parse(path, b, env)
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("%s: %w: longer than %d bytes: is it the right file?", path, plimsoll.ErrLimit, maxFile)
	}
	return b, nil
}

// parse is Read without the file system.
func parse(path string, b []byte, env []string) (File, error) {
	d := decoder{name: filepath.Base(path), lines: map[string]int{}, sources: map[string]string{}}
	var f File
	d.document(b, &f)
	if path != "" {
		f = f.relativeTo(filepath.Dir(path))
	}
	d.environment(env, &f)
	f = f.withDefaults()
	c := checker{}
	c.file(f)
	for _, fault := range c.faults {
		// A field whose text did not fit has its fault already; its zero value must not bring a second one.
		if !d.hasFailed(fault.Field) {
			fault.Where, fault.line = d.where(fault.Field)
			d.faults = append(d.faults, fault)
		}
	}
	slices.SortStableFunc(d.faults, func(a, b Fault) int { return cmp.Compare(a.line, b.line) })
	return f, d.faults.orNil()
}

// document decodes the one YAML document in b.
func (d *decoder) document(b []byte, f *File) {
	dec := yaml.NewDecoder(bytes.NewReader(b))
	var doc, second yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if !errors.Is(err, io.EOF) { // an empty file is a configuration of defaults
			d.syntax(err)
		}
		return
	}
	if err := dec.Decode(&second); !errors.Is(err, io.EOF) {
		d.fault("", second.Line, "a second document (---) follows; write one only")
	}
	d.root(&doc, f)
}

// yamlLine is how the YAML library begins a syntax error.
var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

func (d *decoder) syntax(err error) {
	text := err.Error()
	line := 0
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1]) // no number: line 0, which is not shown
		text = text[len(m[0]):]
	}
	d.fault("", line, "no valid YAML: %s", text)
}
