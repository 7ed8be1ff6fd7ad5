package plimsoll

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Registry is one configured registry. Its ID stands in object keys, subjects and paths: a lower-case name that never
// changes while the registry is known.
type Registry struct {
	ID           string   `yaml:"id" json:"id"`
	URL          string   `yaml:"url" json:"url"`                             // https://host[:port] or http://host[:port]
	Repositories []string `yaml:"repositories" json:"repositories,omitempty"` // given list; empty: the registry is asked
	Include      []string `yaml:"include" json:"include,omitempty"`           // patterns on repository[:tag]; empty: all
	Exclude      []string `yaml:"exclude" json:"exclude,omitempty"`           // patterns; win over include
	// How the repositories are found: by the API that a registry of this kind has, in these parts of it.
	Kind       RegistryKind `yaml:"kind" json:"kind,omitempty"`
	Namespaces []string     `yaml:"namespaces" json:"namespaces,omitempty"` // Docker Hub namespaces, GitLab groups or projects, Harbor projects, Google project/repository
	APIURL     string       `yaml:"api_url" json:"api_url,omitempty"`       // of the vendor's API; empty: the vendor's usual place
	// What of it is read. NewestTags and MovedWithin leave out tags, Labels and Platforms leave out images; 0 and empty: none.
	NewestTags  int           `yaml:"newest_tags" json:"newest_tags,omitempty"`   // of each repository
	MovedWithin time.Duration `yaml:"moved_within" json:"moved_within,omitempty"` // tags that were pushed within it
	Labels      []string      `yaml:"labels" json:"labels,omitempty"`             // name, name=value, !name or name!=value; all must hold
	Platforms   []string      `yaml:"platforms" json:"platforms,omitempty"`       // os/architecture[/variant]
	// Credentials: user name and a file with the password, or a file in Docker's config.json form; none: the usual keychains.
	Username      string   `yaml:"username" json:"username,omitempty"`
	PasswordFile  string   `yaml:"password_file" json:"password_file,omitempty"`
	DockerConfig  string   `yaml:"docker_config" json:"docker_config,omitempty"`
	CAFile        string   `yaml:"ca_file" json:"ca_file,omitempty"`
	CertFile      string   `yaml:"cert_file" json:"cert_file,omitempty"` // client certificate
	KeyFile       string   `yaml:"key_file" json:"key_file,omitempty"`
	Proxy         string   `yaml:"proxy" json:"proxy,omitempty"`                   // URL; empty: HTTPS_PROXY and friends; "none": no proxy
	AllowNetworks []string `yaml:"allow_networks" json:"allow_networks,omitempty"` // CIDRs that redirects and realms may reach besides its own class
	Hook          Hook     `yaml:"hook" json:"hook,omitzero"`
	Sweep         Schedule `yaml:"sweep" json:"sweep"`
	// Label stands in references instead of the URL's host; set for images that are no registry's (an OCI layout, an archive).
	Label string `yaml:"-" json:"label,omitempty"`
	// Address is where to connect in place of the URL's host: IP:port. Set with Label, so that what is said of such images is the
	// same whatever port they are served on.
	Address string `yaml:"-" json:"-"`
	// Concurrency is how many requests at once discovery makes (default 8); RequestsPerSecond bounds their rate (0: no bound).
	Concurrency       int     `yaml:"concurrency" json:"concurrency,omitempty"`
	RequestsPerSecond float64 `yaml:"requests_per_second" json:"requests_per_second,omitempty"`
}

// RegistryKind is the vendor whose API finds what a registry holds.
type RegistryKind string

// The kinds of registries.
const (
	KindDistribution RegistryKind = "distribution" // the specification's _catalog; the default
	KindDockerHub    RegistryKind = "docker-hub"
	KindGoogle       RegistryKind = "google" // Artifact Registry
	KindHarbor       RegistryKind = "harbor"
	KindGitLab       RegistryKind = "gitlab"
)

// TellsPushed says whether registries of this kind tell when a tag was pushed.
func (k RegistryKind) TellsPushed() bool {
	return k == KindDockerHub || k == KindGoogle || k == KindHarbor
}

// Schedule says when a sweep starts: five cron fields in a time zone. "off" switches it off.
type Schedule struct {
	Cron     string `yaml:"cron" json:"cron"`           // default "0 1 * * *"
	TimeZone string `yaml:"time_zone" json:"time_zone"` // IANA name, default UTC
}

// Scope names which images of a reference are read: another name is another choice of platforms and labels. Empty: all images.
func (r Registry) Scope() string {
	if len(r.Platforms)+len(r.Labels) == 0 {
		return ""
	}
	b, err := json.Marshal([2][]string{slices.Sorted(slices.Values(r.Platforms)), slices.Sorted(slices.Values(r.Labels))})
	if err != nil {
		return "" // cannot happen: lists of strings
	}
	return DigestOf(b).Short()
}

// Host is how people write the registry in a reference: Label where it has one, else the host of its URL.
func (r Registry) Host() string {
	if r.Label != "" {
		return r.Label
	}
	_, host, found := strings.Cut(r.URL, "://")
	if !found {
		return r.ID
	}
	return strings.TrimSuffix(host, "/")
}
