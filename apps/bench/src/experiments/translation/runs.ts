import { lengthBuckets, Subwords, Vocabulary } from "@heed/datasets";
import { evaluating } from "@heed/nn";
import { beam, greedy, type DecodingStrategy } from "@heed/transformer";
import { configure, crossEntropy, noGrad, randomKey, scope, type RandomKey, type Tensor } from "@heed/tensor";
import type { JsonObject, Metrics, RunContext, Runs } from "../../experiment.ts";
import { bestRun, type Lesson, type Recipe } from "../../runner/best-run.ts";
import { lengthsOf, sentence, sentenceBatch } from "../../text/sentences.ts";
import { profileStep } from "../../runner/profile-step.ts";
import { bleu } from "./bleu.ts";
import { prepareTranslation, type Parts, type TranslationData } from "./data.ts";
import { lengthClasses, type Alignment, type Direction, type ModelName, type TranslationDetails } from "./index.ts";
import { createTranslator, teaching, type Translated, type Translator } from "./models.ts";
import { sacreBleu } from "./sacrebleu.ts";
import { joinWords, normalised, wordCount, wordsOf, type Language } from "./sentence.ts";

interface Config extends JsonObject {
  readonly direction: Direction;
  readonly model: ModelName;
  readonly epochs: number;
  readonly width: number;
  readonly hidden: number;
  readonly layers: number;
  readonly dropoutP: number;
}

const rates: Readonly<Record<ModelName, number>> = { attention: 8e-3, fixed: 8e-3, transformer: 4e-3, longer: 8e-3 };
const batchSize = 64;
/** Sentences that are judged or translated together. */
const group = 64;
const strategies = { greedy: greedy(), beam: beam({ numBeams: 4 }) };
const examples = 8;
/** What is drawn besides test sentences: the example of the lecture, and one whose order of words changes. */
const told: Readonly<Record<Language, readonly string[]>> = {
  fr: ["Bonjour le monde.", "J'ai acheté une voiture rouge hier."],
  en: ["Hello world.", "I bought a red car yesterday."],
};

const runs: Runs<Config, TranslationData> = {
  prepare: prepareTranslation,
  create: (config, data, context) => bestRun(new TranslationLesson(config, data, context)),
  async profileStep(config, data, context) {
    const run = bestRun(new TranslationLesson(config, data, context));
    return profileStep(`${config.model}, ${config.direction}`, run);
  },
};
export default runs;

interface Batch {
  readonly source: Tensor;
  readonly lengths: readonly number[];
  readonly given: Tensor;
  readonly at: Tensor;
  readonly answers: Tensor;
  readonly sentences: number;
}

class TranslationLesson implements Lesson<Batch> {
  readonly model: Translator;
  readonly recipe: Recipe;
  readonly batchesPerEpoch: number;
  readonly key: RandomKey;
  readonly facts: JsonObject;
  readonly description: JsonObject;
  readonly #data: TranslationData;
  readonly #context: RunContext;
  readonly #drawsAlignments: boolean;
  readonly #source: Language;
  readonly #target: Language;
  readonly #tokens: Readonly<Record<Language, { readonly subwords: Subwords; readonly vocabulary: Vocabulary }>>;
  /** By which batches are made: the length of the target, then that of the source. */
  readonly #lengths: Int32Array;
  #order: { readonly epoch: number; readonly batches: readonly Int32Array[] } | undefined;

  constructor(config: Config, data: TranslationData, context: RunContext) {
    configure({ precision: context.settings.precision });
    const { direction, model, width, hidden, layers, epochs, dropoutP } = config;
    [this.#source, this.#target] = direction.split("-") as [Language, Language];
    this.#data = data;
    this.#context = context;
    this.#drawsAlignments = model === "attention" || model === "longer";
    this.#tokens = { en: read(data.tokens.en), fr: read(data.tokens.fr) };
    const sizes = {
      sourceVocabularySize: this.#tokens[this.#source].vocabulary.size,
      vocabularySize: this.#tokens[this.#target].vocabulary.size,
    };
    this.key = randomKey(context.seed).split("translation").split(direction).split(model);
    const shape = { model, ...sizes, width, hidden, layers, dropoutP };
    this.model = createTranslator(shape, this.key.split("model"));
    const { vocabulary } = data.tokens[this.#target];
    this.description = { shape, direction, source: data.tokens[this.#source] as JsonObject, target: { vocabulary } as JsonObject };
    this.recipe = { rate: rates[model], epochs };
    const { train } = data.pairs;
    const [sources, targets] = [lengthsOf(train[this.#source]), lengthsOf(train[this.#target])];
    this.#lengths = targets.map((length, i) => 256 * length + sources[i]!);
    this.batchesPerEpoch = Math.ceil(targets.length / batchSize);
    this.facts = { ...sizes };
  }

  batch(epoch: number, at: number): Batch {
    if (this.#order?.epoch !== epoch) {
      const options = { batchSize, key: this.key.split("order"), epoch, bucketBatches: 64 };
      this.#order = { epoch, batches: [...lengthBuckets(this.#lengths, options)] };
    }
    return this.#batch("train", this.#order.batches[at]!);
  }

  loss({ source, lengths, given, at, answers }: Batch): Tensor {
    return crossEntropy(this.model.teach(source, given, lengths, { at }).logits, answers);
  }

  examples({ sentences }: Batch): number {
    return sentences;
  }

  /** Mean log-probability of a token of the validation part. */
  score(): number {
    let [total, tokens] = [0, 0];
    for (const part of groups(byLength(lengthsOf(this.#data.pairs.validation[this.#source])))) {
      this.#context.checkStop();
      const batch = this.#batch("validation", part);
      const loss = evaluating(() => noGrad(() => scope(() => this.loss(batch).item())));
      total += loss * batch.answers.size;
      tokens += batch.answers.size;
    }
    return -total / tokens;
  }

  measure(): Metrics {
    const said = this.#translations(strategies.greedy, this.#data.drawn);
    return { bleu: bleu(said, this.#references(this.#data.drawn)).score, validation: -this.score() };
  }

  details(): JsonObject {
    const { drawn, texts } = this.#data;
    const sources = texts[this.#source];
    const said = { greedy: this.#translations(strategies.greedy, drawn), beam: this.#translations(strategies.beam, sources.length) };
    const references = this.#references(sources.length);
    const counts = sources.map((text) => wordCount(wordsOf(text, this.#source)));
    const of = (places: readonly number[]) => bleu(places.map((i) => said.beam[i]!), places.map((i) => references[i]!)).score; // prettier-ignore
    const classes = lengthClasses.map(({ least, most }) => [...counts.keys()].filter((i) => counts[i]! >= least && counts[i]! <= most));
    const library = sacreBleu(String(this.#context.settings.options.python), said.beam.slice(0, drawn), references.slice(0, drawn));
    const details: TranslationDetails = {
      greedy: bleu(said.greedy, references.slice(0, drawn)).score,
      beam: bleu(said.beam.slice(0, drawn), references.slice(0, drawn)).score,
      ...(library && { library }),
      byLength: classes.map((places) => ({ sentences: places.length, bleu: places.length === 0 ? null : of(places) })),
      examples: chosen(counts).map((i) => ({ source: sources[i]!, reference: references[i]!, said: said.beam[i]! })),
      alignments: this.#drawsAlignments ? this.#alignments(chosen(counts).map((i) => sources[i]!)) : [],
    };
    return details as unknown as JsonObject;
  }

  #batch(part: Parts, places: Int32Array): Batch {
    const rows = (language: Language) => [...places].map((i) => sentence(this.#data.pairs[part][language], i));
    const { ids: source, lengths } = sentenceBatch(rows(this.#source));
    return { source, lengths: [...lengths], ...teaching(rows(this.#target)), sentences: places.length };
  }

  #references(count: number): readonly string[] {
    return this.#data.texts[this.#target].slice(0, count);
  }

  /** Of the first test sentences. */
  #translations(strategy: DecodingStrategy, count: number): string[] {
    const sources = Array.from({ length: count }, (_, i) => sentence(this.#data.pairs.test[this.#source], i));
    return this.#write(sources, strategy).map(({ tokens }) => joinWords(this.#words(this.#target, tokens), this.#target));
  }

  #write(sources: readonly Int32Array[], strategy: DecodingStrategy): Translated[] {
    const all: Translated[] = [];
    for (const part of groups(byLength(sources.map(({ length }) => length)))) {
      this.#context.checkStop();
      const { ids, lengths } = sentenceBatch([...part].map((i) => sources[i]!));
      this.model.write(ids, [...lengths], strategy).forEach((one, row) => void (all[part[row]!] = one));
    }
    return all;
  }

  #words(language: Language, tokens: readonly number[]): string[] {
    return Subwords.decode(this.#tokens[language].vocabulary.decode(tokens));
  }

  /** Words against words: a word's weight is the sum over its pieces in the source, and the mean over those in the translation. */
  #alignments(sentences: readonly string[]): Alignment[] {
    const { subwords, vocabulary } = this.#tokens[this.#source];
    const sources = [...told[this.#source].map(normalised), ...sentences].map((text) => wordsOf(text, this.#source));
    const pieces = sources.map((words) => words.flatMap((word) => subwords.encode(word)));
    return this.#write(pieces.map((row) => vocabulary.encode(row)), strategies.beam).map(({ tokens, weights = [] }, i) => {
      const targetPieces = this.#tokens[this.#target].vocabulary.decode(tokens);
      const columns = spans(pieces[i]!);
      const rows = spans(targetPieces);
      return {
        source: sources[i]!,
        target: Subwords.decode(targetPieces),
        weights: rows.map(([from, to]) =>
          columns.map(([first, last]) => {
            const block = weights.slice(from, to).flatMap((row) => row.slice(first, last));
            return Math.round((1e4 * block.reduce((sum, weight) => sum + weight, 0)) / (to - from)) / 1e4;
          }),
        ),
      };
    }); // prettier-ignore
  }
}

const read = ({ subwords, vocabulary }: TranslationData["tokens"][Language]) => ({
  subwords: Subwords.fromJSON(subwords),
  vocabulary: Vocabulary.fromJSON(vocabulary),
});

/** Where the pieces of each word are. */
function spans(pieces: readonly string[]): [from: number, to: number][] {
  const ends = [...pieces.keys()].filter((i) => i === pieces.length - 1 || pieces[i]!.endsWith("</w>")).map((i) => i + 1);
  return ends.map((end, word) => [word === 0 ? 0 : ends[word - 1]!, end]);
}

/** Test sentences of growing length, the same for all models: every so many of those drawn, by length. */
function chosen(counts: readonly number[]): number[] {
  const order = byLength(counts);
  return Array.from(
    { length: Math.min(examples, order.length) },
    (_, i) => order[Math.floor(((i + 0.5) * order.length) / Math.min(examples, order.length))]!,
  );
}

function byLength(lengths: ArrayLike<number>): Int32Array {
  return Int32Array.from(lengths, (_, i) => i).sort((a, b) => lengths[a]! - lengths[b]! || a - b);
}

function* groups(places: Int32Array): Generator<Int32Array> {
  for (let first = 0; first < places.length; first += group) yield places.subarray(first, first + group);
}
