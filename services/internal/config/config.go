// Package config reads the one YAML file that configures every part (docs/configuration.md describes each field).
//
// Reading is strict: an unknown field is an error, and all faults are reported at once, each with its line or field, what
// is wrong and what to write. PLIMSOLL_… environment variables override scalar fields (PLIMSOLL_REPORTER_ACTIVE_DAYS).
package config

import (
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
)

// File is the whole configuration. The zero value of a field means its default, named in the comment.
type File struct {
	Listen     string              `yaml:"listen"`      // address of the pages, API and hooks; default 127.0.0.1:8080
	Data       string              `yaml:"data"`        // folder of the embedded engines; default ./plimsoll-data
	TokensFile string              `yaml:"tokens_file"` // bearer tokens; needed for any listener beyond loopback
	LogLevel   string              `yaml:"log_level"`   // debug, info, warn, error; default info
	Bucket     blob.Config         `yaml:"bucket"`      // empty endpoint: embedded
	NATS       NATS                `yaml:"nats"`        // empty url: embedded
	Temporal   Temporal            `yaml:"temporal"`    // empty address: embedded
	Registries []plimsoll.Registry `yaml:"registries"`
	Scheduler  Scheduler           `yaml:"scheduler"`
	Worker     Worker              `yaml:"worker"`
	Reporter   Reporter            `yaml:"reporter"`
}

// NATS says where the queue is.
type NATS struct {
	URL             string `yaml:"url"`
	CredentialsFile string `yaml:"credentials_file"`
	CAFile          string `yaml:"ca_file"`
	CertFile        string `yaml:"cert_file"` // client certificate
	KeyFile         string `yaml:"key_file"`
	User            string `yaml:"-"` // given by the embedded engine
	Password        string `yaml:"-"`
	Memory          bool   `yaml:"-"` // streams in memory: the embedded engine's data does not outlive the process
}

// Temporal says where the orchestrator is.
type Temporal struct {
	Address    string `yaml:"address"`
	Namespace  string `yaml:"namespace"` // default "default"
	APIKeyFile string `yaml:"api_key_file"`
	CAFile     string `yaml:"ca_file"`
	CertFile   string `yaml:"cert_file"`
	KeyFile    string `yaml:"key_file"`
}

// Scheduler configures services/scheduler.
type Scheduler struct {
	Listen     string   `yaml:"listen"`      // hooks, health and metrics when it runs alone; default 127.0.0.1:8081
	Workers    []string `yaml:"workers"`     // gRPC targets; "dns:///worker:9090" for a headless service
	PushSlots  int      `yaml:"push_slots"`  // push requests at once; default 32
	SweepSlots int      `yaml:"sweep_slots"` // sweep requests at once; default 4 x worker slots
}

// Worker configures services/worker.
type Worker struct {
	Listen string `yaml:"listen"` // gRPC; default 127.0.0.1:9090
	Admin  string `yaml:"admin"`  // health and metrics when it runs alone; default 127.0.0.1:9091
	Slots  int    `yaml:"slots"`  // layers at once, one of them kept for pushes; default cores + 1
	// Off are analysers that are switched off: files, secrets. Images are then "not analysed" by them.
	Off []string `yaml:"off"`
}

// Enrichment says where feeds about exploitation are, each a file or a URL; empty: in the source of the advisories.
type Enrichment struct {
	KEV  string `yaml:"kev"`  // CISA's catalogue, JSON
	SSVC string `yaml:"ssvc"` // CISA's Vulnrichment as a table, tab-separated
	EPSS string `yaml:"epss"` // FIRST's daily scores, CSV
}

// Reporter configures services/reporter.
type Reporter struct {
	Listen       string        `yaml:"listen"`       // pages and API when it runs alone; default 127.0.0.1:8080
	Advisories   string        `yaml:"advisories"`   // folder or URL in osv.dev's layout; empty: none
	BundleKey    string        `yaml:"bundle_key"`   // public key that a bundle as advisories must be signed for
	AllowOlder   bool          `yaml:"allow_older"`  // take a bundle that knows less than what stands
	Enrichment   Enrichment    `yaml:"enrichment"`   // where feeds about exploitation are; empty: in the source of the advisories
	EndOfLife    string        `yaml:"end_of_life"`  // file in place of the built-in table; empty: built in
	Cache        string        `yaml:"cache"`        // folder of compiled advisories; empty: under data when embedded, else none
	Poll         time.Duration `yaml:"poll"`         // how often the feed is looked at; default 1h
	StaleAfter   time.Duration `yaml:"stale_after"`  // a feed not checked for longer is stale; default 48h
	ActiveDays   int           `yaml:"active_days"`  // a tag that moved within is active; default 30
	Policy       string        `yaml:"policy"`       // file; empty: the built-in baseline
	Owners       string        `yaml:"owners"`       // file of patterns and teams; empty: none
	OwnerLabel   string        `yaml:"owner_label"`  // label of images that names the owner where no pattern does; empty: none
	Organisation string        `yaml:"organisation"` // stands on reports
	ReportCron   string        `yaml:"report_cron"`  // weekly report; default "0 6 * * 1"; "off" switches it off
	ReportZone   string        `yaml:"report_zone"`  // default UTC
}
