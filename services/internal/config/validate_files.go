package config

import (
	"fmt"
	"os"

	"github.com/plimsoll/plimsoll"
)

// files checks that what a part needs can be read.
func (c *checker) files(f File, p Part) {
	c.readable("tokens_file", f.TokensFile)
	c.readable("bucket.secret_key_file", f.Bucket.SecretKeyFile)
	c.readable("bucket.ca_file", f.Bucket.CAFile)
	if p != PartWorker {
		c.readable("nats.credentials_file", f.NATS.CredentialsFile)
		c.readable("nats.ca_file", f.NATS.CAFile)
		c.readable("nats.cert_file", f.NATS.CertFile)
		c.readable("nats.key_file", f.NATS.KeyFile)
		c.readable("temporal.api_key_file", f.Temporal.APIKeyFile)
		c.readable("temporal.ca_file", f.Temporal.CAFile)
		c.readable("temporal.cert_file", f.Temporal.CertFile)
		c.readable("temporal.key_file", f.Temporal.KeyFile)
	}
	if p == All || p == PartReporter {
		if !namesPolicy(f.Reporter.Policy) {
			c.readable("reporter.policy", f.Reporter.Policy)
		}
		c.readable("reporter.owners", f.Reporter.Owners)
		if !isURL(f.Reporter.Advisories) {
			c.advisories(f.Reporter)
		}
		c.readable("reporter.bundle_key", f.Reporter.BundleKey)
		c.readable("reporter.end_of_life", f.Reporter.EndOfLife)
	}
	if p != PartReporter {
		c.registryFiles(f.Registries, p)
	}
}

// advisories are a folder, or a bundle with its key.
func (c *checker) advisories(r Reporter) {
	info, err := os.Stat(r.Advisories)
	switch {
	case err != nil || !info.Mode().IsRegular():
		c.folder("reporter.advisories", r.Advisories)
	case r.BundleKey == "":
		c.faultf("reporter.bundle_key", "empty, and reporter.advisories is a file; write the path of the public key that the bundle is signed for")
	default:
		c.readable("reporter.advisories", r.Advisories)
	}
}

func (c *checker) registryFiles(rs []plimsoll.Registry, p Part) {
	for i, r := range rs {
		at := fmt.Sprintf("registries[%d].", i)
		c.readable(at+"password_file", r.PasswordFile)
		c.readable(at+"docker_config", r.DockerConfig)
		c.readable(at+"ca_file", r.CAFile)
		c.readable(at+"cert_file", r.CertFile)
		c.readable(at+"key_file", r.KeyFile)
		if p != PartWorker {
			c.readable(at+"hook.secret_file", r.Hook.SecretFile)
			if !isURL(r.Hook.Keys) {
				c.readable(at+"hook.keys", r.Hook.Keys)
			}
		}
	}
}

// readable opens a file; nothing of it is read, since it may be a pipe or a secret.
func (c *checker) readable(field, path string) {
	if path == "" {
		return
	}
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		c.faultf(field, "%s is a folder; write the path of a file", path)
		return
	}
	if err == nil && info.Mode().IsRegular() {
		var f *os.File
		if f, err = os.Open(path); err == nil {
			f.Close()
		}
	}
	if err != nil {
		c.faultf(field, "cannot be read: %v; correct the path or its permissions", err)
	}
}

func (c *checker) folder(field, path string) {
	if path == "" {
		return
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		c.faultf(field, "cannot be read: %v; write the path of a folder or a URL", err)
	case !info.IsDir():
		c.faultf(field, "%s is a file; write the path of the folder that holds it, or a URL", path)
	}
}
