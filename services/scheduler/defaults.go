package scheduler

import (
	"fmt"
	"log/slog"
	"regexp"

	"github.com/plimsoll/plimsoll"
)

const (
	defaultListen = "127.0.0.1:8081"
	// defaultPushSlots pushes at once: beside a sweep that fills the processors a push takes seconds, and at five pushes a second fewer
	// places would let a queue grow behind them.
	defaultPushSlots = 32
	// slotsAWorker requests for each layer that workers can read at once: most layers of a request are known already, so
	// fewer would leave workers idle.
	slotsAWorker = 4
	// fallbackSlots stands for the workers' slots while none can be asked.
	fallbackSlots = 4
)

// DefaultConfig is what a scheduler beside one worker on this machine needs; engines and registries are still to be named.
func DefaultConfig() Config {
	var c Config
	c.Listen = defaultListen
	c.Workers = []string{"127.0.0.1:9090"}
	c.PushSlots = defaultPushSlots
	return c
}

// withDefaults fills in what was left zero. SweepSlots stays zero: it depends on the workers.
func (c Config) withDefaults() Config {
	d := DefaultConfig()
	if c.Listen == "" {
		c.Listen = d.Listen
	}
	if len(c.Workers) == 0 {
		c.Workers = d.Workers
	}
	if c.PushSlots <= 0 {
		c.PushSlots = d.PushSlots
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Ready == nil {
		c.Ready = func(Addresses) {}
	}
	return c
}

// idForm is what may stand in subjects, workflow ids, object keys and paths.
var idForm = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)

// check refuses registries whose ids would meet in keys.
func (c Config) check() error {
	seen := map[string]bool{}
	for i, r := range c.Registries {
		switch {
		case !idForm.MatchString(r.ID):
			return fmt.Errorf("registries[%d].id %q: %w: want lower-case letters, digits, - and _, at most 64", i, r.ID, plimsoll.ErrInvalid)
		case r.ID == plimsoll.StreamAdvisories || r.ID == plimsoll.StreamDecisions:
			return fmt.Errorf("registries[%d].id %q: %w: the name is taken by a change log of our own", i, r.ID, plimsoll.ErrInvalid)
		case seen[r.ID]:
			return fmt.Errorf("registries[%d].id %q: %w: used twice", i, r.ID, plimsoll.ErrInvalid)
		}
		seen[r.ID] = true
	}
	return nil
}
