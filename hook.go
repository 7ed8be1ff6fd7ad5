package plimsoll

// Hook says how a registry tells us of pushes (docs/push-events.md). The zero value takes the form of the CNCF distribution
// registry, without a secret.
type Hook struct {
	Dialect    string `yaml:"dialect" json:"dialect,omitempty"`         // one of HookDialects; empty: distribution
	SecretFile string `yaml:"secret_file" json:"secret_file,omitempty"` // what the sender must know; read at each notification
	// Header is where senders that show the secret itself put it; empty: the dialect's own.
	Header string `yaml:"header" json:"header,omitempty"`
	// Repository is the vendor's name for the one repository that the registry's URL serves (Artifactory, Nexus): events of
	// others are ignored, and images are named without it. Empty: it stands before the image's name.
	Repository string `yaml:"repository" json:"repository,omitempty"`
	// NATSSubject is where zot publishes on our NATS, besides or instead of HTTP.
	NATSSubject string `yaml:"nats_subject" json:"nats_subject,omitempty"`
	// SQSQueue is the URL of the SQS queue to which EventBridge sends ECR's events, and Subscription the Pub/Sub subscription of
	// Artifact Registry's ("projects/…/subscriptions/…"): they are fetched there, besides or instead of HTTP.
	SQSQueue     string `yaml:"sqs_queue" json:"sqs_queue,omitempty"`
	Subscription string `yaml:"pubsub_subscription" json:"pubsub_subscription,omitempty"`
	// Audience, ServiceAccount and Keys belong to Google's signed tokens: whom a token is for, who must have asked for it, and
	// the JWKS (file or URL) that it is checked with; empty Keys: Google's.
	Audience       string `yaml:"audience" json:"audience,omitempty"`
	ServiceAccount string `yaml:"service_account" json:"service_account,omitempty"`
	Keys           string `yaml:"keys" json:"keys,omitempty"`
}

// The dialects of push events, one a kind of registry.
const (
	HookDistribution = "distribution" // CNCF distribution, GitLab
	HookHarbor       = "harbor"       // both of its payload formats
	HookDockerHub    = "docker-hub"
	HookQuay         = "quay"
	HookGHCR         = "ghcr"
	HookACR          = "acr" // its webhooks, and Event Grid
	HookECR          = "ecr" // through EventBridge
	HookGoogle       = "google"
	HookZot          = "zot"
	HookGitea        = "gitea" // and Forgejo
	HookArtifactory  = "artifactory"
	HookNexus        = "nexus"
)

// HookDialects are all of them.
var HookDialects = []string{
	HookDistribution, HookHarbor, HookDockerHub, HookQuay, HookGHCR, HookACR, HookECR, HookGoogle, HookZot, HookGitea,
	HookArtifactory, HookNexus,
}

// Expected says that somebody has set the hook up: a push that no event announces is then one that was missed.
func (h Hook) Expected() bool { return h != Hook{} }
