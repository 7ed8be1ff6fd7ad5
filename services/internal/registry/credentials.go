package registry

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/types"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"

	"github.com/plimsoll/plimsoll"
)

// credentials are what the registry's configuration leads to at this moment. Files are read each time, so that a rotated
// password is taken up without a restart. The zero value means none.
func (c *Client) credentials(ctx context.Context) (authn.AuthConfig, error) {
	switch {
	case c.conf.Username != "" || c.conf.PasswordFile != "":
		return c.fromPasswordFile()
	case c.conf.DockerConfig != "":
		return c.fromDockerConfig()
	}
	return c.fromKeychain(ctx)
}

func (c *Client) fromPasswordFile() (authn.AuthConfig, error) {
	if c.conf.PasswordFile == "" {
		return authn.AuthConfig{Username: c.conf.Username}, nil
	}
	b, err := readSmall(c.conf.PasswordFile)
	if err != nil {
		return authn.AuthConfig{}, fmt.Errorf("%w: password_file: %w", plimsoll.ErrDenied, err)
	}
	return authn.AuthConfig{Username: c.conf.Username, Password: strings.TrimRight(string(b), "\r\n")}, nil
}

func (c *Client) fromDockerConfig() (authn.AuthConfig, error) {
	b, err := readDockerConfig(c.conf.DockerConfig)
	if err != nil {
		return authn.AuthConfig{}, fmt.Errorf("%w: docker_config: %w", plimsoll.ErrDenied, err)
	}
	file, err := config.LoadFromReader(bytes.NewReader(b))
	if err != nil {
		return authn.AuthConfig{}, fmt.Errorf("%w: docker_config %s: %w", plimsoll.ErrDenied, c.conf.DockerConfig, err)
	}
	keys, err := c.keysIn(file.AuthConfigs)
	if err != nil {
		return authn.AuthConfig{}, fmt.Errorf("%w: docker_config %s: %w", plimsoll.ErrDenied, c.conf.DockerConfig, err)
	}
	for _, key := range keys {
		found, err := file.GetAuthConfig(key)
		if err != nil {
			return authn.AuthConfig{}, fmt.Errorf("%w: docker_config %s: %s: %w", plimsoll.ErrDenied, c.conf.DockerConfig, key, err)
		}
		found.ServerAddress = "" // filled in even where nothing was found
		if found != (types.AuthConfig{}) {
			return authn.AuthConfig{Username: found.Username, Password: found.Password, Auth: found.Auth,
				IdentityToken: found.IdentityToken, RegistryToken: found.RegistryToken}, nil
		}
	}
	return authn.AuthConfig{}, nil
}

// keys are the names under which credential files know this registry.
func (c *Client) keys() []string {
	if c.base.Host == hubAPI {
		return []string{authn.DefaultAuthKey, hubAPI}
	}
	return []string{c.base.Host, c.base.String()}
}

func (c *Client) fromKeychain(ctx context.Context) (authn.AuthConfig, error) {
	host := c.base.Host
	if host == hubAPI {
		host = name.DefaultRegistry
	}
	target, err := name.NewRegistry(host, name.Insecure)
	if err != nil {
		return authn.AuthConfig{}, fmt.Errorf("%w: host %q: %w", plimsoll.ErrInvalid, host, err)
	}
	found, err := authn.Resolve(ctx, authn.DefaultKeychain, target)
	if err != nil {
		return authn.AuthConfig{}, fmt.Errorf("%w: the user's Docker or Podman configuration: %w", plimsoll.ErrDenied, err)
	}
	conf, err := authn.Authorization(ctx, found)
	if err != nil {
		return authn.AuthConfig{}, fmt.Errorf("%w: the user's Docker or Podman configuration: %w", plimsoll.ErrDenied, err)
	}
	if *conf == (authn.AuthConfig{}) {
		return c.cloud.credentials(ctx, c.exchangeAzure)
	}
	return *conf, nil
}

// credentialsFix says where the credentials in use come from, for errors of access.
func (c *Client) credentialsFix() string {
	switch {
	case c.conf.PasswordFile != "":
		return fmt.Sprintf("check username %q and the password in %s", c.conf.Username, c.conf.PasswordFile)
	case c.conf.Username != "":
		return "give the password in password_file"
	case c.conf.DockerConfig != "":
		return fmt.Sprintf("check the entry for %s in %s", c.keys()[0], c.conf.DockerConfig)
	}
	return "give username and password_file, or docker_config, in this registry's configuration"
}

// basicHeader is the Authorization header of the Basic scheme; empty without credentials.
func basicHeader(a authn.AuthConfig) string {
	switch {
	case a.Username != "" || a.Password != "":
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(a.Username+":"+a.Password))
	case a.Auth != "":
		return "Basic " + a.Auth
	}
	return ""
}

func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxCredentialFile+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxCredentialFile {
		return nil, fmt.Errorf("%s: %w: more than %d bytes", path, plimsoll.ErrLimit, maxCredentialFile)
	}
	return b, nil
}

// userOf is the user name and password of credentials that hold them, in whichever of the two forms.
func userOf(a authn.AuthConfig) (user, password string) {
	if a.Username == "" && a.Password == "" && a.Auth != "" {
		if b, err := base64.StdEncoding.DecodeString(a.Auth); err == nil {
			user, password, _ = strings.Cut(string(b), ":")
			return user, password
		}
	}
	return a.Username, a.Password
}

// Account is the user name that this registry is read as; empty without one.
func (c *Client) Account(ctx context.Context) (string, error) {
	found, err := c.credentials(ctx)
	user, _ := userOf(found)
	return user, err
}
