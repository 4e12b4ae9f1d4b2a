import { useEffect, useState } from "preact/hooks";

/** Tells screen readers what changed, once the visitor rests. */
export function Announcement({ text }: { readonly text: string }) {
  const [said, say] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => say(text), 800);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <p class="visually-hidden" role="status">
      {said}
    </p>
  );
}
