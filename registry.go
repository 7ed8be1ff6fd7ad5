package plimsoll

import "strings"

// Registry is one configured registry. Its ID stands in object keys, subjects and paths: a lower-case name that never
// changes while the registry is known.
type Registry struct {
	ID           string   `yaml:"id" json:"id"`
	URL          string   `yaml:"url" json:"url"`                             // https://host[:port] or http://host[:port]
	Repositories []string `yaml:"repositories" json:"repositories,omitempty"` // given list; empty: _catalog is asked
	Include      []string `yaml:"include" json:"include,omitempty"`           // patterns on repository[:tag]; empty: all
	Exclude      []string `yaml:"exclude" json:"exclude,omitempty"`           // patterns; win over include
	// Credentials: user name and a file with the password, or a file in Docker's config.json form; none: the usual keychains.
	Username      string   `yaml:"username" json:"username,omitempty"`
	PasswordFile  string   `yaml:"password_file" json:"password_file,omitempty"`
	DockerConfig  string   `yaml:"docker_config" json:"docker_config,omitempty"`
	CAFile        string   `yaml:"ca_file" json:"ca_file,omitempty"`
	CertFile      string   `yaml:"cert_file" json:"cert_file,omitempty"` // client certificate
	KeyFile       string   `yaml:"key_file" json:"key_file,omitempty"`
	Proxy         string   `yaml:"proxy" json:"proxy,omitempty"`                   // URL; empty: HTTPS_PROXY and friends; "none": no proxy
	AllowNetworks []string `yaml:"allow_networks" json:"allow_networks,omitempty"` // CIDRs that redirects and realms may reach besides its own class
	HookSecret    string   `yaml:"hook_secret_file" json:"hook_secret_file,omitempty"`
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

// Schedule says when a sweep starts: five cron fields in a time zone. "off" switches it off.
type Schedule struct {
	Cron     string `yaml:"cron" json:"cron"`           // default "0 1 * * *"
	TimeZone string `yaml:"time_zone" json:"time_zone"` // IANA name, default UTC
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
