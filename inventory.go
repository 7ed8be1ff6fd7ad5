package plimsoll

import "maps"

// Inventory is what one image holds: the facts of its layers, overlaid. It is keyed by recipe and manifest digest; the
// same layers and recipe give the same bytes.
type Inventory struct {
	Image      Digest              `json:"image"`
	Recipe     Recipe              `json:"recipe"`
	Platform   Platform            `json:"platform"`
	Release    OSRelease           `json:"release,omitzero"` // from the merged os-release; zero when there is none
	Read       map[string]Coverage `json:"read"`             // by analyser name
	Layers     []InventoryLayer    `json:"layers"`
	Packages   []Package           `json:"packages"` // sorted by ecosystem, name, version, path
	Ecosystems []string            `json:"ecosystems"`
	// Hidden are packages that a lower layer holds and an upper one (HiddenIn) removed: not installed, still downloadable.
	Hidden []Package `json:"hidden,omitempty"`
	// Files are those worth a look, sorted by path; Secrets those found, sorted by path, line and rule, the hidden ones with
	// them.
	Files   []File   `json:"files,omitempty"`
	Secrets []Secret `json:"secrets,omitempty"`
}

// InventoryLayer is what is known of one layer of the image, lowest first.
type InventoryLayer struct {
	Digest    Digest   `json:"digest"`
	DiffID    DiffID   `json:"diff_id,omitempty"` // ours
	Size      int64    `json:"size"`
	Inflated  int64    `json:"inflated"`
	CreatedBy string   `json:"created_by,omitempty"`
	Read      Coverage `json:"read"`
	Entries   int      `json:"entries"`
}

// Coverage is the worst state over analysers: what one line says of the whole image.
func (inv Inventory) Coverage() Coverage { return WorstCoverage(maps.Values(inv.Read)) }
