// Parquet schema elements for the column types of a LeRobot dataset, with pyarrow's three-level list layout
// (`list.element`), and the key-value metadata that pandas and Hugging Face `datasets` read.
import type { KeyValue, SchemaElement } from "hyparquet";
import type { Feature } from "../info.ts";

/** Element types that columns here use. */
export type ScalarType = "float32" | "float64" | "int64" | "int32" | "bool" | "string";

/** A column: `depth` 0 is a scalar, 1 a list of scalars, 3 a list of lists of lists. */
export interface ColumnType {
	readonly name: string;
	readonly type: ScalarType;
	readonly depth: number;
}

const PHYSICAL: Readonly<Record<ScalarType, Pick<SchemaElement, "type" | "converted_type">>> = {
	float32: { type: "FLOAT" },
	float64: { type: "DOUBLE" },
	int64: { type: "INT64" },
	int32: { type: "INT32" },
	bool: { type: "BOOLEAN" },
	string: { type: "BYTE_ARRAY", converted_type: "UTF8" },
};

/** The flat preorder schema of a table with these columns, every level optional as pyarrow writes it. */
export function tableSchema(columns: readonly ColumnType[]): SchemaElement[] {
	return [{ name: "schema", num_children: columns.length }, ...columns.flatMap(columnSchema)];
}

function columnSchema({ name, type, depth }: ColumnType): SchemaElement[] {
	if (depth === 0) return [{ name, repetition_type: "OPTIONAL", ...PHYSICAL[type] }];
	return [
		{ name, repetition_type: "OPTIONAL", num_children: 1, converted_type: "LIST" },
		{ name: "list", repetition_type: "REPEATED", num_children: 1 },
		...columnSchema({ name: "element", type, depth: depth - 1 }),
	];
}

const DTYPE_TO_SCALAR: Readonly<Record<string, ScalarType>> = {
	float32: "float32",
	float64: "float64",
	int64: "int64",
	int32: "int32",
	bool: "bool",
	string: "string",
};

/**
 * The parquet column of a numeric or string feature: shape [1] is a scalar, shape [D] a list.
 * @throws RangeError for videos, images and shapes of more than one axis.
 */
export function featureColumn(name: string, feature: Feature): ColumnType {
	const type = DTYPE_TO_SCALAR[feature.dtype];
	if (type === undefined || feature.shape.length !== 1) {
		throw new RangeError(
			`featureColumn: ${name} is ${feature.dtype}[${feature.shape.join(",")}], not a column`,
		);
	}
	return { name, type, depth: feature.shape[0] === 1 ? 0 : 1 };
}

/** `huggingface` metadata: the features that `datasets` restores when it opens the file. */
export function huggingfaceMetadata(features: Readonly<Record<string, Feature>>): KeyValue {
	const entries = Object.entries(features).map(([name, { dtype, shape }]): [string, unknown] => {
		const value = { dtype, _type: "Value" };
		return [name, shape[0] === 1 ? value : { feature: value, length: shape[0], _type: "Sequence" }];
	});
	return { key: "huggingface", value: JSON.stringify({ info: { features: Object.fromEntries(entries) } }) };
}

/** `pandas` metadata of a table whose string column `indexName` is the frame's index. */
export function pandasMetadata(indexName: string, columns: readonly ColumnType[]): KeyValue {
	const describe = ({ name, type }: ColumnType): unknown => ({
		name,
		field_name: name,
		pandas_type: type === "string" ? "unicode" : type,
		numpy_type: type === "string" ? "object" : type,
		metadata: null,
	});
	const document = {
		index_columns: [indexName],
		column_indexes: [
			{
				name: null,
				field_name: null,
				pandas_type: "unicode",
				numpy_type: "object",
				metadata: { encoding: "UTF-8" },
			},
		],
		columns: columns.map(describe),
		attributes: {},
		creator: { library: "zk0", version: "0.1.0" },
		pandas_version: "2.2.0",
	};
	return { key: "pandas", value: JSON.stringify(document) };
}
