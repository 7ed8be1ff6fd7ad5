package reporter

import (
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/access"
	"github.com/plimsoll/plimsoll/services/reporter/internal/policy"
)

const (
	defaultListen = "127.0.0.1:8080"
	defaultPoll   = time.Hour
	defaultStale  = 48 * time.Hour
	defaultActive = 30 // days
	defaultCron   = "0 6 * * 1"
	defaultZone   = "UTC"
	off           = "off"
	// maxPolicy bounds the policy file before it is parsed, in bytes: a path given by mistake must not be read whole.
	maxPolicy = 1 << 20
)

// DefaultConfig is what a reporter on this machine needs; engines and registries are still to be named.
func DefaultConfig() Config { return Config{}.withDefaults() }

func (c Config) withDefaults() Config {
	def(&c.Listen, defaultListen)
	def(&c.Poll, defaultPoll)
	def(&c.StaleAfter, defaultStale)
	def(&c.ActiveDays, defaultActive)
	def(&c.ReportCron, defaultCron)
	def(&c.ReportZone, defaultZone)
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Ready == nil {
		c.Ready = func(Addresses) {}
	}
	return c
}

func def[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// exposed says whether other machines can reach the listener, by whatever way.
func (c Config) exposed() bool { return c.Exposed || !access.Loopback(c.Listen) }

// policy is the configured one, or the built-in baseline.
func (c Config) policy() (plimsoll.Policy, error) {
	switch c.Policy {
	case "", policy.NameBaseline:
		return policy.Baseline(), nil
	case policy.NameNone:
		return policy.None(), nil
	}
	info, err := os.Stat(c.Policy)
	if err != nil {
		return plimsoll.Policy{}, fmt.Errorf("reporter.policy: %w", err)
	}
	if info.Size() > maxPolicy {
		return plimsoll.Policy{}, fmt.Errorf("reporter.policy %s: %w: %d bytes, more than %d; is it the right file?", c.Policy, plimsoll.ErrLimit, info.Size(), maxPolicy)
	}
	b, err := os.ReadFile(c.Policy)
	if err != nil {
		return plimsoll.Policy{}, fmt.Errorf("reporter.policy: %w", err)
	}
	p, err := policy.Parse(b)
	if err != nil {
		return plimsoll.Policy{}, fmt.Errorf("reporter.policy %s: %w", c.Policy, err)
	}
	return p, nil
}
