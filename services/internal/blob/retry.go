package blob

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/trace"
)

const (
	// maxTries of one request: with the waits below, about 20 s of trouble are sat out; longer ones are the caller's.
	maxTries  = 8
	firstWait = 50 * time.Millisecond
	maxWait   = 5 * time.Second
)

// retry does op again while it fails in a way that may pass, and wraps what is left in the sentinel it means.
func (s *Store) retry(ctx context.Context, step, key string, op func() error) (err error) {
	_, span := trace.Start(ctx, "bucket "+step, trace.Client, "plimsoll.key", key)
	defer func() { span.End(err) }()
	for try := range maxTries {
		if err = op(); err == nil || ctx.Err() != nil || !transient(err) {
			break
		}
		if pause(ctx, try) != nil {
			break
		}
	}
	err = s.wrap(ctx, step, key, err)
	s.count(ctx, step, err)
	return err
}

// pause waits before try+1: exponential, with full jitter so that writers that met once do not meet again.
func pause(ctx context.Context, try int) error {
	wait := min(firstWait<<try, maxWait)
	t := time.NewTimer(time.Duration(rand.Int64N(int64(wait)) + 1))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// transient tells errors that may pass from those that will not: no answer at all, 408, 429, 5xx, and 409, by which
// S3 says that a conditional write met another ("Uploading objects with conditional writes", Amazon S3 user guide).
func transient(err error) bool {
	r, answered := response(err)
	if !answered {
		return !broken(err)
	}
	switch r.StatusCode {
	case http.StatusConflict:
		return r.Code != minio.BucketAlreadyExists && r.Code != minio.BucketAlreadyOwnedByYou
	case http.StatusRequestTimeout, http.StatusTooManyRequests:
		return true
	case http.StatusNotImplemented:
		return false
	}
	return r.StatusCode >= http.StatusInternalServerError || r.Code == "RequestTimeout"
}

// broken tells errors without an answer that another try cannot mend: a certificate we do not trust, HTTP for HTTPS.
func broken(err error) bool {
	var cert *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	return errors.As(err, &cert) || errors.As(err, &record) || errors.As(err, &authority) || errors.As(err, &host) ||
		errors.Is(err, http.ErrSchemeMismatch) || errors.Is(err, plimsoll.ErrIntegrity) || errors.Is(err, plimsoll.ErrLimit) || errors.Is(err, ErrExists)
}

// response is the server's answer inside err, where it gave one.
func response(err error) (minio.ErrorResponse, bool) {
	var r minio.ErrorResponse
	return r, errors.As(err, &r) && r.StatusCode != 0
}

// wrap says what failed where, as one of the sentinels of package plimsoll where one fits.
func (s *Store) wrap(ctx context.Context, step, key string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s %s: %w", step, s.at(key), context.Cause(ctx))
	}
	kind := kindOf(err)
	if off := s.ClockOffset(); errors.Is(kind, plimsoll.ErrDenied) && off.Abs() > signedWithin {
		kind = fmt.Errorf("%w: this machine's clock is %s off (the bucket's is %s), and S3 refuses what was signed more than %s ago or ahead: set it by NTP",
			plimsoll.ErrDenied, off.Abs().Round(time.Second), s.Now().UTC().Format(time.RFC3339), signedWithin)
	}
	if kind != nil && !errors.Is(err, kind) {
		return fmt.Errorf("%s %s: %w: %w", step, s.at(key), kind, err)
	}
	return fmt.Errorf("%s %s: %w", step, s.at(key), err)
}

func (s *Store) at(key string) string {
	if key == "" {
		return s.where
	}
	return s.where + "/" + key
}

// kindOf is the sentinel that err means; nil where none does. A missing bucket is not a missing object: it must never
// read as "nothing there".
func kindOf(err error) error {
	r, answered := response(err)
	switch {
	case !answered:
		if broken(err) {
			return nil
		}
		return plimsoll.ErrUnavailable
	case r.Code == minio.NoSuchBucket:
		return errNoBucket
	case r.Code == minio.NoSuchKey:
		return plimsoll.ErrNotFound
	case r.StatusCode == http.StatusPreconditionFailed:
		return ErrExists
	case r.StatusCode == http.StatusForbidden, r.StatusCode == http.StatusUnauthorized, r.Code == minio.InvalidAccessKeyID, r.Code == "XAdminUserNotFound": // versitygw: unknown key
		return fmt.Errorf("%w: check bucket.access_key, the secret key and the bucket's policy", plimsoll.ErrDenied)
	case transient(err):
		return plimsoll.ErrUnavailable
	}
	return nil
}

var errNoBucket = fmt.Errorf("%w: the bucket does not exist; create it or correct bucket.bucket", plimsoll.ErrUnavailable)
