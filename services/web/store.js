// A value that views follow: whoever uses it is drawn again when it changes.
import { useEffect, useState } from './vendor/preact-htm.js';

export function store(value) {
  const followers = new Set();
  return {
    get: () => value,
    set(change) {
      value = { ...value, ...change };
      for (const follower of [...followers]) follower(value);
    },
    follow(follower) {
      followers.add(follower);
      return () => followers.delete(follower);
    },
  };
}

export function useStore(of) {
  const [value, setValue] = useState(of.get());
  useEffect(() => {
    setValue(of.get());
    return of.follow(setValue);
  }, [of]);
  return value;
}

/** A clock that ticks every `ms` while `on`. */
export function useClock(on, ms = 1000) {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    if (!on) return undefined;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), ms);
    return () => clearInterval(timer);
  }, [on, ms]);
  return now;
}
