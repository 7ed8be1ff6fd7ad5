package engine

import (
	"context"
	"errors"
	"log/slog"

	"golang.org/x/sys/unix"
)

// StartBucket serves the bucket of a data folder alone, for who keeps it in order. With alone nobody else may use the folder, and
// ErrInUse is returned (wrapped) when somebody does; without it any number of processes may share it.
func StartBucket(ctx context.Context, data string, alone bool, log *slog.Logger) (S3, func(context.Context) error, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	dir, err := openData(data)
	if err != nil {
		return S3{}, nil, err
	}
	how := unix.LOCK_SH
	if alone {
		how = unix.LOCK_EX
	}
	locks := &dataLock{}
	if err := locks.take(dir.root, dir.bucket, how); err != nil {
		return S3{}, nil, errors.Join(err, locks.release(ctx))
	}
	s, stop, err := startS3(ctx, dir, Options{Data: data, Log: log})
	if err != nil {
		return S3{}, nil, errors.Join(explain(dir.root, err), locks.release(ctx))
	}
	return s, func(ctx context.Context) error { return stopAll(ctx, []stopFunc{locks.release, stop}) }, nil
}
