package plimsoll

// Secret is a credential that an image holds. Its value is nowhere kept.
type Secret struct {
	Rule string `json:"rule"` // what found it: "awsaccesskey", "privatekey" …
	// Path is the file, relative to the image's root; or the place in the configuration: "config:env:NAME",
	// "config:label:KEY", "config:history:3".
	Path string `json:"path"`
	Line int    `json:"line,omitempty"` // of the file, from 1; 0 in a configuration
	// Fingerprint is the same for the same value in one bucket, and tells nothing about it: a keyed hash, hexadecimal.
	Fingerprint string `json:"fingerprint"`
	Last4       string `json:"last4"` // the last four characters, to find it by
	// Layer is the index of the layer that holds it, lowest = 0; -1 for the configuration.
	Layer int `json:"layer"`
	// Hidden says that the layer of index HiddenIn removed or replaced the file, which can still be downloaded.
	Hidden   bool `json:"hidden,omitempty"`
	HiddenIn int  `json:"hidden_in,omitempty"`
}

// LayerConfig is the layer index of what stands in the image configuration.
const LayerConfig = -1

// SecretFacts are the secrets of one layer, or of one image configuration.
type SecretFacts struct {
	Files []SecretFile `json:"files"` // in the order of the tar
}

// SecretFile is one file, or one place of a configuration, that holds secrets. Their Path and Layer are not set.
type SecretFile struct {
	Path    string   `json:"path"`
	Entry   int      `json:"entry,omitempty"` // index among the layer's tree entries
	Secrets []Secret `json:"secrets"`         // by line
	Read    Coverage `json:"read"`            // partial with the reason when the file was not searched whole
}
