package plimsoll

import "time"

// SweepPlan is what a sweep of a registry would do, found by listing and by reading manifests alone.
type SweepPlan struct {
	Registry     string    `json:"registry"`
	Recipe       Recipe    `json:"recipe"`
	Made         time.Time `json:"made"`
	Repositories int       `json:"repositories"`
	Tags         int       `json:"tags"`
	Unchanged    int       `json:"unchanged"` // tags read by this recipe already
	ToRead       int       `json:"to_read"`
	// Platforms are the images behind the tags to read, by platform ("linux/amd64"; "not told" where only the configuration has it).
	Platforms map[string]int `json:"platforms"`
	Images    int            `json:"images"` // those, each digest once
	Layers    int            `json:"layers"` // theirs, each digest once
	// LayersKnown have facts already; LayersToRead and Bytes (compressed) are what the registry would be asked for.
	LayersKnown  int   `json:"layers_known"`
	LayersToRead int   `json:"layers_to_read"`
	Bytes        int64 `json:"bytes"`
	Requests     int   `json:"requests"` // that the sweep would make, about
	// Rate is what the registry's requests are bound to, a second (0: no bound), and AtLimit how long they take at it (0: no bound).
	Rate    float64       `json:"requests_per_second"`
	AtLimit time.Duration `json:"at_limit"`
	LeftOut []Omission    `json:"left_out,omitempty"` // most first
	// NotCounted says which settings of the registry leave out images that the counts above hold, and why they do.
	NotCounted []string `json:"not_counted,omitempty"`
}

// Omission is what a sweep does not look at, or cannot, by its reason.
type Omission struct {
	Reason  string `json:"reason"`
	Count   int    `json:"count"`
	Of      string `json:"of"` // repositories, tags, manifests
	Example string `json:"example"`
}

// Retry is what a retry of one cause asked for.
type Retry struct {
	Registry string `json:"registry"`
	Cause    string `json:"cause"`
	Tags     int    `json:"tags"`
	Requests int    `json:"requests"`
	Layers   int    `json:"layers"` // whose failed tries were forgotten, so that they are tried again
}
