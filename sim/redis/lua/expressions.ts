// Lua's expressions as JavaScript text. `R` is the runtime (compile.ts gives it), its members are destructured on top.
import type { Expression, TableConstructorExpression } from 'luaparse';
import { assert } from '../../../src/base/index.ts';
import type { Scope } from './scopes.ts';

/** What compiling a function needs to know. */
export interface Around {
  readonly scope: Scope;
  /** Temporary names of the function, declared at its beginning. */
  readonly temps: string[];
  /** The text: the parser does not tell of parentheses. */
  readonly source: string;
  /** Compiles a function's body. */
  body(node: Extract<Expression, { type: 'FunctionDeclaration' }>, around: Around): string;
}

const OPERATORS: Readonly<Record<string, string>> = {
  '+': 'add',
  '-': 'subtract',
  '*': 'multiply',
  '/': 'divide',
  '%': 'modulo',
  '^': 'power',
  '..': 'concat',
};

/** An expression's one value. */
export function expression(node: Expression, around: Around): string {
  switch (node.type) {
    case 'StringLiteral':
      return JSON.stringify(node.value);
    case 'NumericLiteral':
      return node.value === Number.POSITIVE_INFINITY ? 'Infinity' : String(node.value);
    case 'BooleanLiteral':
      return String(node.value);
    case 'NilLiteral':
      return 'undefined';
    case 'VarargLiteral':
      return 'varargs[0]';
    case 'Identifier':
      return (
        around.scope.find(node.name) ?? `global(${JSON.stringify(node.name)}, ${node.loc?.start.line ?? 0})`
      );
    case 'FunctionDeclaration':
      return around.body(node, around);
    case 'TableConstructorExpression':
      return table(node, around);
    case 'MemberExpression':
      return `index(${expression(node.base, around)}, ${JSON.stringify(node.identifier.name)})`;
    case 'IndexExpression':
      return `index(${expression(node.base, around)}, ${expression(node.index, around)})`;
    case 'CallExpression':
    case 'TableCallExpression':
    case 'StringCallExpression':
      return `first(${call(node, around)})`;
    case 'UnaryExpression':
    case 'BinaryExpression':
    case 'LogicalExpression':
      return operation(node, around);
  }
}

type Operation = Extract<Expression, { type: 'UnaryExpression' | 'BinaryExpression' | 'LogicalExpression' }>;

function operation(node: Operation, around: Around): string {
  if (isComparison(node)) return `(${condition(node, around)})`;
  if (node.type === 'UnaryExpression') {
    const value = expression(node.argument, around);
    return node.operator === '#' ? `length(${value})` : `negate(${value})`;
  }
  const left = expression(node.left, around);
  const right = expression(node.right, around);
  if (node.type === 'BinaryExpression') return `${OPERATORS[node.operator]}(${left}, ${right})`;
  const held = around.scope.fresh();
  around.temps.push(held);
  const isFalse = `(${held} = ${left}) === undefined || ${held} === false`;
  return node.operator === 'and' ? `(${isFalse} ? ${held} : ${right})` : `(${isFalse} ? ${right} : ${held})`;
}

const COMPARISONS = new Set(['==', '~=', '<', '<=', '>', '>=']);

function isComparison(node: Expression): boolean {
  if (node.type === 'BinaryExpression') return COMPARISONS.has(node.operator);
  return node.type === 'UnaryExpression' && node.operator === 'not';
}

/** An expression as JavaScript's true or false. */
export function condition(node: Expression, around: Around): string {
  if (node.type === 'LogicalExpression') {
    const operator = node.operator === 'and' ? '&&' : '||';
    return `(${condition(node.left, around)} ${operator} ${condition(node.right, around)})`;
  }
  if (node.type === 'BooleanLiteral') return String(node.value);
  if (node.type === 'UnaryExpression' && node.operator === 'not')
    return `!${condition(node.argument, around)}`;
  if (node.type === 'BinaryExpression' && COMPARISONS.has(node.operator)) {
    const [left, right] = [expression(node.left, around), expression(node.right, around)];
    if (node.operator === '==') return `(${left} === ${right})`;
    if (node.operator === '~=') return `(${left} !== ${right})`;
    if (node.operator === '<') return `less(${left}, ${right})`;
    if (node.operator === '<=') return `atMost(${left}, ${right})`;
    return node.operator === '>' ? `more(${left}, ${right})` : `atLeast(${left}, ${right})`;
  }
  return `truth(${expression(node, around)})`;
}

/** Where a node stands in the text; the types do not know it. */
function rangeOf(node: Expression): readonly [number, number] {
  return (node as { readonly range?: readonly [number, number] }).range ?? [0, 0];
}

/** Whether it stands for all its results. Parentheses around it cut them to one. `openAt`: where the list that it ends was opened. */
function isMany(node: Expression | undefined, { source }: Around, openAt = -1): boolean {
  if (node === undefined || !/CallExpression$|^VarargLiteral$/.test(node.type)) return false;
  let before = rangeOf(node)[0] - 1;
  while (before >= 0 && /\s/.test(source[before])) before--;
  return source[before] !== '(' || before <= openAt;
}

/** All values of an expression that may have several, as an array. */
function many(node: Expression, around: Around): string {
  return node.type === 'VarargLiteral' ? 'varargs' : `all(${call(node as Call, around)})`;
}

/** Expressions as the elements of an array, or as arguments. */
export function list(nodes: readonly Expression[], around: Around, openAt = -1): string {
  const last = nodes.at(-1);
  const parts = nodes.map((node) =>
    node === last && isMany(node, around, openAt) ? `...${many(node, around)}` : expression(node, around),
  );
  return parts.join(', ');
}

/** Expressions as an array of values. */
export function values(nodes: readonly Expression[], around: Around): string {
  const [only] = nodes;
  return nodes.length === 1 && isMany(only, around) ? many(only, around) : `[${list(nodes, around)}]`;
}

/** What a `return` of these gives back. */
export function results(nodes: readonly Expression[], around: Around): string {
  const [only] = nodes;
  return nodes.length === 1 ? result(only, around) : `[${list(nodes, around)}]`;
}

function result(node: Expression, around: Around): string {
  if (!isMany(node, around)) return expression(node, around);
  if (node.type === 'VarargLiteral') return 'varargs';
  return call(node as Call, around);
}

/** A call of any form. */
export type Call = Extract<
  Expression,
  { type: 'CallExpression' | 'TableCallExpression' | 'StringCallExpression' }
>;

/** A call, as its results. */
export function call(node: Call, around: Around): string {
  const nodes = argumentsOf(node);
  const { base } = node;
  const given = list(nodes, around, around.source.indexOf('(', rangeOf(base)[1]));
  if (base.type === 'MemberExpression' && base.indexer === ':') {
    const self = around.scope.fresh();
    around.temps.push(self);
    const method = `index(${self} = ${expression(base.base, around)}, ${JSON.stringify(base.identifier.name)})`;
    return `called(${method})(${[self, ...(nodes.length > 0 ? [given] : [])].join(', ')})`;
  }
  const callee = expression(base, around);
  if (base.type === 'Identifier' && base.name === 'error')
    return `(at(${node.loc?.start.line ?? 0}), called(${callee}))(${given})`;
  return `called(${callee})(${given})`;
}

function argumentsOf(node: Call): readonly Expression[] {
  if (node.type === 'CallExpression') return node.arguments;
  if (node.type === 'StringCallExpression') return [node.argument];
  // The types call it a list; the parser gives the one table.
  const given: unknown = node.arguments;
  assert(!Array.isArray(given), 'a call with a table has that argument');
  return [given as Expression];
}

function table({ fields }: TableConstructorExpression, around: Around): string {
  const listed = fields.filter((field) => field.type === 'TableValue').map(({ value }) => value);
  const made = `new LuaTable([${list(listed, around)}])`;
  const rest = fields.filter((field) => field.type !== 'TableValue');
  if (rest.length === 0) return made;
  const pairs = rest.map((field) => {
    const key =
      field.type === 'TableKeyString' ? JSON.stringify(field.key.name) : expression(field.key, around);
    return `[${key}, ${expression(field.value, around)}]`;
  });
  return `filled(${made}, [${pairs.join(', ')}])`;
}
