package secrets

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Bounds of an image configuration.
const (
	MaxConfig = 4 << 20 // bytes; larger ones are not read
	maxPath   = 256     // bytes of a variable's or label's name in a path; the rest is cut off
)

// ConfigHit is a secret in an image configuration. Its Line is 0.
type ConfigHit struct {
	// Path names the place: "config:env:NAME", "config:label:KEY", "config:history:3" (from 0), "config:command",
	// "config:entrypoint", "config:healthcheck", "config:onbuild".
	Path string
	Hit
}

// configuration is what an image configuration may hide secrets in (OCI image specification, config.md; Docker's image
// specification for Healthcheck and OnBuild). Each field is decoded alone: a wrong one does not hide the others.
type configuration struct {
	Config struct {
		Env, Labels, Cmd, Entrypoint, Healthcheck, OnBuild json.RawMessage
	} `json:"config"`
	History json.RawMessage `json:"history"`
}

// Config returns the secrets of an image configuration, given as its raw JSON, in a fixed order. The reason says why the
// list is short, as where a field has the wrong form; the error is the context's.
func (f *Finder) Config(ctx context.Context, b []byte) (hits []ConfigHit, reason string, err error) {
	if len(b) > MaxConfig {
		return nil, fmt.Sprintf("limit reached: a configuration of more than %d bytes", MaxConfig), nil
	}
	var c configuration
	if err := json.Unmarshal(b, &c); err != nil {
		return nil, "configuration: no JSON of the right form", nil
	}
	pieces, reasons := c.pieces()
	s := NewStream(f)
	for i := range pieces {
		found, reason, err := pieces[i].find(ctx, s)
		if err != nil {
			return nil, "", err
		}
		if reason != "" && !slices.Contains(reasons, reason) {
			reasons = append(reasons, reason)
		}
		hits = append(hits, found...)
	}
	if len(hits) > MaxHits {
		hits, reasons = hits[:MaxHits], append(reasons, fmt.Sprintf("limit reached: more than %d secrets", MaxHits))
	}
	return hits, strings.Join(reasons, "; "), nil
}

// piece is a text of a configuration that is searched at once, so that an identifier in one variable and its secret in
// another are found together.
type piece struct {
	text bytes.Buffer
	at   []part
	line int
}

// part says whose text begins at a line.
type part struct {
	line int // from 1
	path string
}

func (p *piece) add(path, text string) {
	p.at = append(p.at, part{line: p.line + 1, path: "config:" + path})
	p.text.WriteString(text)
	p.text.WriteByte('\n')
	p.line += strings.Count(text, "\n") + 1
}

func (p *piece) find(ctx context.Context, s *Stream) (hits []ConfigHit, reason string, err error) {
	if err := s.Write(ctx, p.text.Bytes()); err != nil {
		return nil, "", err
	}
	found, reason, err := s.Close(ctx)
	for _, h := range found {
		i, exact := slices.BinarySearchFunc(p.at, h.Line, func(a part, line int) int { return cmp.Compare(a.line, line) })
		if !exact {
			i--
		}
		h.Line = 0
		if c := (ConfigHit{Path: p.at[i].path, Hit: h}); !slices.Contains(hits, c) {
			hits = append(hits, c)
		}
	}
	return hits, reason, err
}

// pieces splits a configuration. What has the wrong form is a reason.
func (c *configuration) pieces() (pieces []piece, reasons []string) {
	all := []struct {
		name  string
		raw   json.RawMessage
		parse func(json.RawMessage, *[]piece) error
	}{
		{"env", c.Config.Env, environment},
		{"labels", c.Config.Labels, labels},
		{"command", c.Config.Cmd, words("command")},
		{"entrypoint", c.Config.Entrypoint, words("entrypoint")},
		{"healthcheck", c.Config.Healthcheck, healthcheck},
		{"onbuild", c.Config.OnBuild, words("onbuild")},
		{"history", c.History, history},
	}
	for _, field := range all {
		if len(field.raw) == 0 {
			continue
		}
		if field.parse(field.raw, &pieces) != nil {
			reasons = append(reasons, "configuration: "+field.name+" has the wrong form")
		}
	}
	return pieces, reasons
}

func environment(raw json.RawMessage, pieces *[]piece) error {
	var env []string
	err := json.Unmarshal(raw, &env) // what was decoded before an error is searched
	var p piece
	for _, e := range env {
		name, _, _ := strings.Cut(e, "=")
		p.add("env:"+cut(name), e)
	}
	*pieces = append(*pieces, p)
	return err
}

func labels(raw json.RawMessage, pieces *[]piece) error {
	var all map[string]string
	err := json.Unmarshal(raw, &all)
	var p piece
	for _, k := range slices.Sorted(maps.Keys(all)) {
		p.add("label:"+cut(k), k+"="+all[k])
	}
	*pieces = append(*pieces, p)
	return err
}

// words reads a list of arguments, or the single line that old builders wrote.
func words(path string) func(json.RawMessage, *[]piece) error {
	return func(raw json.RawMessage, pieces *[]piece) error {
		var list []string
		var line string
		err := json.Unmarshal(raw, &list)
		if err != nil && json.Unmarshal(raw, &line) == nil {
			list, err = []string{line}, nil
		}
		var p piece
		p.add(path, strings.Join(list, " "))
		*pieces = append(*pieces, p)
		return err
	}
}

func healthcheck(raw json.RawMessage, pieces *[]piece) error {
	var h struct{ Test json.RawMessage }
	if err := json.Unmarshal(raw, &h); err != nil || len(h.Test) == 0 {
		return err
	}
	return words("healthcheck")(h.Test, pieces)
}

// history is searched step by step: what belongs together stands in one command.
func history(raw json.RawMessage, pieces *[]piece) error {
	var steps []struct {
		CreatedBy string `json:"created_by"`
		Comment   string `json:"comment"`
	}
	err := json.Unmarshal(raw, &steps)
	for i, h := range steps {
		var p piece
		p.add(fmt.Sprintf("history:%d", i), h.CreatedBy+"\n"+h.Comment)
		*pieces = append(*pieces, p)
	}
	return err
}

// cut makes a name fit for a path.
func cut(name string) string {
	return strings.ToValidUTF8(name[:min(len(name), maxPath)], "\ufffd")
}
