import { useState } from "preact/hooks";

interface NumberFieldProps {
  readonly label: string;
  readonly name: string;
  readonly value: number;
  readonly min: number;
  readonly max: number;
  readonly step: number;
  readonly onChange: (value: number) => void;
}

/** A number to type or to step with the arrow keys. While one types, half-written numbers are left alone. */
export function NumberField({ label, name, value, min, max, step, onChange }: NumberFieldProps) {
  const [typed, setTyped] = useState<string | undefined>(undefined);
  const read = (text: string) => {
    setTyped(text);
    const number = Number(text);
    if (text.trim() !== "" && Number.isFinite(number)) onChange(number);
  };
  const halfWritten = typed !== undefined && (typed === "" || Number(typed) === value);
  return (
    <input
      type="number"
      class="number"
      aria-label={label}
      data-field={name}
      data-value={value}
      min={min}
      max={max}
      step={step}
      value={halfWritten ? typed : String(value)}
      onInput={(event) => read(event.currentTarget.value)}
      onBlur={() => setTyped(undefined)}
    />
  );
}
