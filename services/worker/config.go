package worker

import (
	"log/slog"
	"runtime"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/internal/config"
)

// Config is what one worker needs. Workers keep no state: everything they make goes to the bucket.
type Config struct {
	config.Worker
	Bucket     blob.Config
	Registries []plimsoll.Registry
	// AnalyzerVersions gives analysers other versions than the built-in ones, by name: raising one makes exactly that analyser
	// read every layer again. Every worker and the scheduler's recipe must agree, so it is for tests and emergencies.
	AnalyzerVersions map[string]int
	// Analyse is the program of the analysis child. Empty: plimsoll-analyse beside this process's binary; where there is none, this
	// binary itself, whose main then must ask IsChild.
	Analyse string
	Version string // of the program, as Describe tells it
	Log     *slog.Logger
	// Ready is called once, when both listeners are bound and the service answers.
	Ready func(Addresses)
}

// Addresses are the bound listeners, host:port.
type Addresses struct{ GRPC, Admin string }

// DefaultConfig listens on loopback and reads one layer a core, with one slot more for pushes. Bucket and registries have no
// default.
func DefaultConfig() Config {
	return Config{
		Worker: config.Worker{Listen: "127.0.0.1:9090", Admin: "127.0.0.1:9091", Slots: runtime.NumCPU() + 1},
		Log:    slog.New(slog.DiscardHandler),
	}
}

// withDefaults fills in what is empty.
func (c Config) withDefaults() Config {
	d := DefaultConfig()
	if c.Listen == "" {
		c.Listen = d.Listen
	}
	if c.Admin == "" {
		c.Admin = d.Admin
	}
	if c.Slots <= 0 {
		c.Slots = d.Slots
	}
	if c.Log == nil {
		c.Log = d.Log
	}
	return c
}
