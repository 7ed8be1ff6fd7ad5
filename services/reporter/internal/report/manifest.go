package report

import (
	"time"

	"github.com/plimsoll/plimsoll"
)

// Manifest lists the files of one report (object reports/<period>/manifest.json).
type Manifest struct {
	Period    string    `json:"period"` // ISO week: 2026-W48
	Revision  int       `json:"revision"`
	Cutoff    time.Time `json:"cutoff"`
	Zone      string    `json:"zone"`
	Made      time.Time `json:"made"`
	Sentence  string    `json:"sentence"`
	Previous  string    `json:"previous"` // digest of the manifest of the report before this one; empty for the first
	Generator string    `json:"generator"`
	Files     []File    `json:"files"`
	// Digest is the manifest's own: sha256 of its stored bytes; not part of them.
	Digest plimsoll.Digest `json:"-"`
}

// File is one file of a report.
type File struct {
	Name   string          `json:"name"`
	Type   string          `json:"type"`
	Size   int             `json:"size"`
	Digest plimsoll.Digest `json:"sha256"`
}
